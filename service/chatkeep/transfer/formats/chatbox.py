"""Chatbox: a session with `messages`, whose text stands in `contentParts`."""

from chatkeep.transfer.formats.plain import Plain, is_spoken

FORMAT = Plain(
    source="chatbox",
    program="Chatbox",
    is_message=lambda message: "contentParts" in message and is_spoken(message),
    titles=("name", "threadName", "title"),
).format()
