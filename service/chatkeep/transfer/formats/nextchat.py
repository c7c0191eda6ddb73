"""NextChat: sessions with a `topic`. Its dates have no zone and are written in the browser's language: no dates."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.plain import Plain, is_spoken, messages_in


def _without_time(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return {("written" if name == "date" else name): each for name, each in message.items()}


FORMAT = Plain(
    source="nextchat",
    program="NextChat",
    is_message=lambda message: "date" in message and is_spoken(message),
    messages=lambda value: messages_in(value) if "topic" in value else [],
    prepare=_without_time,
    titles=("topic",),
).format()
