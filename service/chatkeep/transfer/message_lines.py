"""Conversations of which each message is a value of its own: a line, or an element of a list.

They are put together before they are read. Messages that name their conversation may come in any order; the others
belong to those around them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats.chatkeep import conversation_of_turns, is_own_turn
from chatkeep.transfer.formats.detection import format_of, is_message
from chatkeep.transfer.formats.fields import id_in
from chatkeep.transfer.imported import Unreadable
from chatkeep.transfer.json_stream import MAX_CHARACTERS, Value

Found = tuple[str, Value | Unreadable]
Key = tuple[str, str]

CODE_EVENTS = {"user", "assistant", "system", "summary", "attachment", "progress", "queue-operation"}
CODE_EVENTS |= {"file-history-snapshot", "custom-title", "ai-title", "last-prompt", "mode", "permission-mode"}
TOO_MUCH = f"Its messages are more than {MAX_CHARACTERS // 1024**2} MiB, with those around them."


class _Group:
    """One conversation, as far as it has come."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.header: Mapping[str, Any] = {}
        self.values: list[Any] = []
        self.is_suspicious = False
        self.size = 0


def joined(found: Iterator[Found]) -> Iterator[Found]:
    """Yield the values of one file, with messages that stand alone put together."""
    waiting = _Waiting()
    for place, value in found:
        key = waiting.key_of(value)
        if key is None:
            yield from waiting.end("list", "session")
            held = [value]
            del value
            yield place, held.pop()  # and hold nothing of it while its rows are kept
            continue
        if isinstance(value, Value):
            if key[0] in ("list", "session") and key not in waiting.groups:
                yield from waiting.end("list", "session")
            waiting.add(key, place, value)
            if waiting.size > MAX_CHARACTERS:
                yield from waiting.given_up()
        del value
    yield from waiting.end()


class _Waiting:
    """The conversations that are not whole yet."""

    def __init__(self) -> None:
        self.groups: dict[Key, _Group] = {}
        self.size = 0
        self._last: Key | None = None

    def key_of(self, value: Value | Unreadable) -> Key | None:
        """Return the conversation that a value is a message of; None where it is none."""
        if not isinstance(value, Value):
            return None
        key = _key(value, self._last)
        if key is None and self._is_within(value):
            key = self._last
        self._last = key
        return key

    def _is_within(self, value: Value) -> bool:
        """Tell whether a value stands between messages of a list, and is nothing else by itself."""
        if value.list_number <= 0 or self._last != ("list", str(value.list_number)):
            return False
        return not isinstance(value.parsed, list) and not (
            isinstance(value.parsed, dict) and format_of(value.parsed) is not None
        )

    def add(self, key: Key, place: str, value: Value) -> None:
        group = self.groups.setdefault(key, _Group(place))
        self.size += value.size
        group.size += value.size
        group.is_suspicious |= value.is_suspicious
        if key[0] == "session" and value.parsed.get("type") == "session":
            group.header = value.parsed
        elif key[0] == "session":
            group.values.append(value.parsed["message"])
        else:
            group.values.append(value.parsed)

    def end(self, *kinds: str) -> Iterator[Found]:
        """Yield the conversations that are whole, of these kinds, or all."""
        for key in [each for each in self.groups if not kinds or each[0] in kinds]:
            group = self.groups.pop(key)
            yield group.place, Value(_whole(key, group), group.size, group.is_suspicious)
        if not self.groups:
            self.size = 0

    def given_up(self) -> Iterator[Found]:
        for group in self.groups.values():
            yield group.place, Unreadable(TOO_MUCH)
        self.groups.clear()
        self.size, self._last = 0, None


def _key(value: Value, last: Key | None) -> Key | None:
    parsed = value.parsed
    if not isinstance(parsed, dict):
        return None
    kind = parsed.get("type")
    if kind == "session" and "id" in parsed and "messages" not in parsed:
        return "session", str(parsed["id"])
    if kind == "message" and isinstance(parsed.get("message"), dict) and last is not None and last[0] == "session":
        return last
    if is_own_turn(parsed):
        return "turns", str(parsed["conversation_id"])
    if parsed.get("object") == "thread.message" and id_in(parsed, "thread_id"):
        return "thread", str(parsed["thread_id"])
    if isinstance(kind, str) and kind in CODE_EVENTS and _is_code_event(parsed):
        return "code", id_in(parsed, "sessionId") or (last[1] if last and last[0] == "code" else "")
    return ("list", str(value.list_number)) if "messages" not in parsed and is_message(parsed) else None


def _is_code_event(event: Mapping[str, Any]) -> bool:
    return "leafUuid" in event or "sessionId" in event or ("uuid" in event and "parentUuid" in event)


def _whole(key: Key, group: _Group) -> dict[str, Any]:
    """Return a conversation as one value, as its program writes it whole."""
    kind, name = key
    if kind == "session":
        return {"conv": group.header, "messages": group.values}
    if kind == "turns":
        return conversation_of_turns(name, group.values)
    if kind == "thread":
        return {"id": name, "messages": group.values}
    if kind == "code":
        title = next((each["summary"] for each in group.values if isinstance(each.get("summary"), str)), None)
        return {
            **({"sessionId": name} if name else {}),
            **({"title": title} if title else {}),
            "messages": group.values,
        }
    return {"messages": group.values}
