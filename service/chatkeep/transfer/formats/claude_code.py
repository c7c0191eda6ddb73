"""Claude Code: one event a line, of which those of the user and of the assistant are a tree of messages."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import mapping_in
from chatkeep.transfer.formats.plain import Plain


def _message(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event as a message: with the model's own message, and the event's id and time."""
    inner = mapping_in(event, "message")
    around = {name: each for name, each in event.items() if name not in ("message", "type")}
    own = {("message_id_of_model" if name == "id" else name): each for name, each in inner.items() if name != "type"}
    hidden = event.get("isMeta") is True or event.get("isSidechain") is True
    return {**own, **around, **({"role": None, "role_of_event": inner.get("role")} if hidden else {})}


FORMAT = Plain(
    source="claude-code",
    program="Claude Code",
    is_message=lambda event: event.get("type") in ("user", "assistant") and "role" in mapping_in(event, "message"),
    prepare=_message,
    titles=("summary", "title"),
).format()
