"""ShareGPT: `conversations`, each with `from` and `value`, as data sets of chats are written."""

from chatkeep.transfer.formats.plain import Plain

FORMAT = Plain(
    source="sharegpt",
    program="ShareGPT",
    is_message=lambda message: "from" in message and "value" in message,
).format()
