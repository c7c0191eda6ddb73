"""Claude.ai: `chat_messages` with a `sender`; pasted texts and documents are attachments.

`text` repeats the text blocks of `content`. Branches are `parent_message_uuid`, which older exports lack.
"""

from chatkeep.transfer.formats.fields import list_in
from chatkeep.transfer.formats.plain import Plain

FORMAT = Plain(
    source="claude",
    program="Claude.ai",
    is_message=lambda message: "sender" in message and ("text" in message or "content" in message),
    messages=lambda value: list_in(value, "chat_messages"),
    titles=("name", "title"),
    keys=frozenset(["chat_messages"]),
).format()
