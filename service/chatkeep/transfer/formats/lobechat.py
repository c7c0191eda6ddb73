"""LobeChat: messages of one topic; `chatkeep.transfer.collections` takes them out of an export of everything."""

from chatkeep.transfer.formats.plain import Plain, is_spoken

FORMAT = Plain(
    source="lobechat",
    program="LobeChat",
    is_message=lambda message: ("topicId" in message or "sessionId" in message) and is_spoken(message),
    follows_null=True,
).format()
