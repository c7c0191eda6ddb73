"""TypingMind: chats with `chatID` and `chatTitle`, alone, in a list, or in a backup's `data.chats`."""

from chatkeep.transfer.formats.plain import Plain, is_spoken, messages_in

FORMAT = Plain(
    source="typingmind",
    program="TypingMind",
    is_message=is_spoken,
    messages=lambda value: messages_in(value) if "chatID" in value else [],
    titles=("chatTitle", "title"),
).format()
