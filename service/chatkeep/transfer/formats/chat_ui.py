"""Hugging Face's chat-ui: messages `from` somebody with a `content`, and the ids of all `ancestors`."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import list_in
from chatkeep.transfer.formats.plain import Plain


def _with_parent(message: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(message.get("ancestors"), list):
        return message
    return {**message, "parent": next(reversed(list_in(message, "ancestors")), None)}


FORMAT = Plain(
    source="chat-ui",
    program="chat-ui",
    is_message=lambda message: "from" in message and "content" in message,
    prepare=_with_parent,
).format()
