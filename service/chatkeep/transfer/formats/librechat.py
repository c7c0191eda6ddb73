"""LibreChat: messages with `isCreatedByUser`, in a list with their parents, or each with its answers as `children`."""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats.fields import list_in, text_in
from chatkeep.transfer.formats.plain import Plain


def _messages(value: Mapping[str, Any]) -> list[Any]:
    return list(_flat(value.get("messages")))


def _flat(listed: Any) -> Iterator[Any]:
    """Yield messages before their answers, without those; each answer says which it follows."""
    waiting: list[tuple[Any, str | None]] = [
        (each, None) for each in reversed(listed if isinstance(listed, list) else [])
    ]
    while waiting:
        message, parent = waiting.pop()
        if not isinstance(message, dict):
            yield message
            continue
        children = list_in(message, "children")
        if children and all(isinstance(each, dict) for each in children):
            waiting += [(each, text_in(message, "messageId")) for each in reversed(children)]
            message = {name: each for name, each in message.items() if name != "children"}
        yield message if parent is None else {"parentMessageId": parent} | message


FORMAT = Plain(
    source="librechat",
    program="LibreChat",
    is_message=lambda message: "messageId" in message and "isCreatedByUser" in message,
    messages=_messages,
).format()
