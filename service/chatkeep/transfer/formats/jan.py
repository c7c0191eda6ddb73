"""Jan: a thread's messages, one a line, each with the thread's id."""

from chatkeep.transfer.formats.plain import Plain, is_spoken

FORMAT = Plain(
    source="jan",
    program="Jan",
    is_message=lambda message: message.get("object") == "thread.message" and is_spoken(message),
).format()
