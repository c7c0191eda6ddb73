"""Values that hold several conversations: backups, answers of an API, lists within lists.

Each conversation in them is one by itself: only the bad one fails.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats.detection import format_of, is_message
from chatkeep.transfer.formats.fields import id_in, list_in, mapping_in, text_in
from chatkeep.transfer.formats.format import Format

MAX_DEPTH = 4
# Names that backups keep their conversations under, alone or within each other.
_HOLDER_NAMES = (
    *("data", "state", "chats", "conversations", "sessions", "threads", "chat-sessions", "chat-next-web-store"),
    *("history", "items", "results", "biz_data"),
)
_HOLDERS = frozenset(_HOLDER_NAMES)
_SESSION = "session:"


def conversations_in(value: Any, depth: int = 0) -> Iterator[tuple[Any, Format | None]]:
    """Yield the conversations of a value, each with its format: itself, where it is one or holds none."""
    known = format_of(value) if isinstance(value, dict) and not _has_topics(value) else None
    inside = _inside(value) if known is None and depth < MAX_DEPTH else None
    if inside is None:
        yield value, known
        return
    for each in inside:
        yield from conversations_in(each, depth + 1)


def _inside(value: Any) -> list[Any] | None:
    """Return the values that a value holds; None where it holds no conversations."""
    if isinstance(value, list):
        return [{"messages": value}] if any(map(_is_message, value)) else value or None
    if not isinstance(value, dict):
        return None
    if _has_topics(value):
        return _topics(value)
    if _HOLDERS.isdisjoint(value) and not any(name.startswith(_SESSION) for name in value):
        return None
    sessions = [each for name, each in value.items() if name.startswith(_SESSION) and isinstance(each, dict)]
    held = [each for name in _HOLDER_NAMES if (each := value.get(name)) and _holds(each)]
    return [*sessions, *held] or None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and is_message(value)


def _holds(value: Any) -> bool:
    return any(isinstance(each, (dict, list)) for each in value) if isinstance(value, list) else isinstance(value, dict)


def _has_topics(value: Mapping[str, Any]) -> bool:
    has_places = isinstance(value.get("topics"), list) or isinstance(value.get("sessions"), list)
    return has_places and any(_is_message(each) for each in list_in(value, "messages")[:50])


def _topics(value: Mapping[str, Any]) -> list[Any]:
    """Return LobeChat's messages by topic, or by session where they are in none."""
    names = {("topicId", id_in(each, "id")): each for each in list_in(value, "topics") if isinstance(each, dict)}
    names |= {("sessionId", id_in(each, "id")): each for each in list_in(value, "sessions") if isinstance(each, dict)}
    grouped: dict[tuple[str, str | None], list[Any]] = {}
    for message in list_in(value, "messages"):
        found = message if isinstance(message, dict) else {}
        kind = "topicId" if id_in(found, "topicId") else "sessionId"
        grouped.setdefault((kind, id_in(found, kind)), []).append(message)
    return [_topic(place, names.get(place, {}), messages) for place, messages in grouped.items()]


def _topic(place: tuple[str, str | None], fields: Mapping[str, Any], messages: list[Any]) -> dict[str, Any]:
    title = text_in(fields, "title") or text_in(mapping_in(fields, "meta"), "title")
    named = {"id": place[1]} if place[1] else {}
    return {**fields, **named, **({"title": title} if title else {}), "messages": messages}
