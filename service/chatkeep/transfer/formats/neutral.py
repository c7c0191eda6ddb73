"""The neutral form, for every other program: a title, and messages with a role and a content.

`{"title", "messages": [{"id", "parent", "role", "content", "time", "model"}]}`

Only `role` and `content` are needed. Lists of messages alone, lines of OpenAI's data sets and the AI SDK's `parts` are
this form, too.
"""

from chatkeep.transfer.formats.plain import Plain, is_spoken

FORMAT = Plain(source="messages", program="a list of messages", is_message=is_spoken).format()
