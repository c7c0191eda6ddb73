"""The parts of a reply in the order in which they came: text, reasoning, whole items.

A position counts what came before it: one for each code point of text or of reasoning, and one for each whole item.
Of a reply that is plain text it is the number of characters.
"""

import json
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.clean_items import kept_item
from chatkeep.chat.items import reasoning_item, refusal_item, text_item
from chatkeep.chat.models import (
    Item,
    OutputCleaner,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TextWasReasoning,
    clean_output,
)

# A fragment's kind where it is neither the reply's text (None) nor reasoning (the name under which that came).
ITEM = "item"


@dataclass(frozen=True, slots=True)
class ReplySpan:
    """A part of a reply that is all of one kind.

    Args:
        position: where it begins.
        kind: None for text, `ITEM` for an item, otherwise the name under which the reasoning came.
        text: of an item, its JSON.
    """

    position: int
    kind: str | None
    text: str

    @property
    def length(self) -> int:
        return 1 if self.kind == ITEM else len(self.text)


class ReplyLog:
    """The reply of one turn as it grows. Positions never change; text may turn out to be reasoning.

    What PostgreSQL cannot keep is replaced here, for every model. A refusal is one item, so it is there when it is
    whole: when something else follows, or at the end.

    Args:
        clock: tells how long the model reasoned, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._starts: list[int] = []
        self._kinds: list[str | None] = []
        self._texts: list[str] = []
        self._is_plain = True
        # Of each run of reasoning, by where it begins, when it began and ended.
        self._reasoned: dict[int, list[float]] = {}
        # When the first of it came.
        self._began: float | None = None
        self._cleaner = OutputCleaner()
        self._open: str | None = None
        self._refusal: list[str] = []
        self.has_text = False
        self.length = 0
        # All characters, those of items too.
        self.size = 0

    def append(self, piece: Piece) -> bool:
        """Add what the model said; tell whether there is more than before."""
        before = self.length
        match piece:
            case Text(text):
                self._grow(None, text)
            case Reasoning(text, field):
                self._grow(field, text)
            case TextWasReasoning(field):
                self._close()
                self._rename(field)
            case Refusal(text):
                if not self._refusal:
                    self._close()
                self._refusal.append(text)
                self.size += len(text)
            case Item(item):
                self._close()
                self._add_item(kept_item(item))
            case _:
                raise TypeError(f"no piece of a reply: {type(piece).__name__}")
        return self.length > before

    def finish(self) -> bool:
        """Take what was held back; nothing comes after it."""
        before = self.length
        self._close()
        return self.length > before

    def text(self, start: int = 0, most: int | None = None) -> str:
        """Return the reply's own text; of a plain one from a position on, or that many characters of it."""
        if not self._is_plain:
            return "".join(text for kind, text in zip(self._kinds, self._texts, strict=True) if kind is None)
        if start >= self.length:
            return ""
        first, last = self._range(start, most)
        return (self._texts[first][start - self._starts[first] :] + "".join(self._texts[first + 1 : last]))[:most]

    def stretches(self, start: int = 0, most: int | None = None) -> list[ReplySpan]:
        """Return the stretches from a position on, or at most that many positions of them; neighbours of a kind as one.

        An item stands by itself.
        """
        if start >= self.length:
            return []
        if self._is_plain:
            return [ReplySpan(start, None, self.text(start, most))]
        return list(self._runs(start, self.length if most is None else start + most))

    def items(self) -> list[dict[str, Any]] | None:
        """Return the items of the reply; None where it is nothing but text."""
        if self._is_plain:
            return None
        return items_of(self.stretches(), self._seconds)

    def _range(self, start: int, most: int | None) -> tuple[int, int | None]:
        last = None if most is None else bisect_right(self._starts, start + most)
        return bisect_right(self._starts, start) - 1, last

    def _runs(self, start: int, end: int) -> Iterator[ReplySpan]:
        first, last = self._range(start, end - start)
        parts: list[str] = []
        position, kind = start, self._kinds[first]
        for number in range(first, len(self._starts) if last is None else last):
            begins, text = self._starts[number], self._texts[number]
            if begins >= end:
                break
            if self._kinds[number] != kind or kind == ITEM:
                if parts:
                    yield ReplySpan(position, kind, "".join(parts))
                position, kind, parts = begins, self._kinds[number], []
            parts.append(text if kind == ITEM else text[max(0, start - begins) : end - begins])
        if parts:
            yield ReplySpan(position, kind, "".join(parts))

    def _seconds(self, position: int) -> float | None:
        began, ended = self._reasoned[position]
        return round(ended - began, 1)

    def _rename(self, field: str) -> None:
        """Have all text be reasoning, which took from the beginning until now."""
        self._kinds = [field if kind is None else kind for kind in self._kinds]
        self._is_plain, self.has_text = not self._kinds, False
        self._reasoned = {each.position: [self._clock()] * 2 for each in self.stretches() if each.kind != ITEM}
        if self._reasoned and self._began is not None:
            next(iter(self._reasoned.values()))[0] = self._began

    def _grow(self, kind: str | None, text: str) -> None:
        if self._refusal or kind != self._open:
            self._close()
            self._open = kind
        self._add(kind, self._cleaner.feed(text))

    def _close(self) -> None:
        """Close the open parts: half a character that is held back, a refusal, the time that reasoning takes."""
        self._add(self._open, self._cleaner.finish())
        if self._open is not None and self._reasoned:
            next(reversed(self._reasoned.values()))[1] = self._clock()
        self._open = None
        if self._refusal:
            whole, self._refusal = clean_output("".join(self._refusal)), []
            if whole:
                self._add_item(refusal_item(whole))

    def _add_item(self, item: Mapping[str, Any]) -> None:
        self._add(ITEM, json.dumps(item, ensure_ascii=False, allow_nan=False))

    def _add(self, kind: str | None, text: str) -> None:
        if not text:
            return
        if self._began is None:
            self._began = self._clock()
        if kind is None:
            self.has_text = True
        else:
            self._is_plain = False
            if kind != ITEM and (not self._kinds or self._kinds[-1] != kind):
                self._reasoned[self.length] = [self._clock()] * 2
        self._starts.append(self.length)
        self._kinds.append(kind)
        self._texts.append(text)
        self.length += 1 if kind == ITEM else len(text)
        self.size += len(text)


def items_of(stretches: Iterable[ReplySpan], seconds: Callable[[int], float | None]) -> list[dict[str, Any]]:
    """Return the items that a reply is made of; its own text is not repeated in them.

    Args:
        seconds: how long the reasoning took that begins at a position.
    """
    items: list[dict[str, Any]] = []
    told = 0
    for each in stretches:
        if each.kind is None:
            items.append(text_item(told, told + len(each.text)))
            told += len(each.text)
        elif each.kind == ITEM:
            items.append(json.loads(each.text))
        else:
            items.append(reasoning_item(each.text, each.kind, seconds(each.position)))
    return items


def stretches_of(reply: str, items: Sequence[Mapping[str, Any]] | None) -> Iterator[ReplySpan]:
    """Yield the parts of a kept reply in order, as its log had them."""
    if items is None:
        if reply:
            yield ReplySpan(0, None, reply)
        return
    position = 0
    for item in items:
        stretch = _stretch_of(position, reply, item)
        if stretch.text:
            yield stretch
            position += stretch.length


def between(stretches: Iterable[ReplySpan], start: int, end: int) -> Iterator[ReplySpan]:
    """Yield the parts of these between two positions, neighbours of a kind as one."""
    pending: ReplySpan | None = None
    for each in stretches:
        cut = _cut(each, start, end)
        if cut is None:
            continue
        if pending is not None and cut.kind == pending.kind != ITEM:
            pending = ReplySpan(pending.position, pending.kind, pending.text + cut.text)
            continue
        if pending is not None:
            yield pending
        pending = cut
    if pending is not None:
        yield pending


def _cut(stretch: ReplySpan, start: int, end: int) -> ReplySpan | None:
    skipped = max(0, start - stretch.position)
    if skipped >= stretch.length or stretch.position >= end:
        return None
    if stretch.kind == ITEM:
        return stretch
    return ReplySpan(stretch.position + skipped, stretch.kind, stretch.text[skipped : end - stretch.position])


def length_of(reply: str | None, items: Sequence[Mapping[str, Any]] | None) -> int:
    """Return the position at the end of a kept reply."""
    if items is None:
        return len(reply or "")
    return sum(each.length for each in stretches_of(reply or "", items))


def fits_reply(reply: str, items: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the items say of all of a reply's text, and in its order, where it stands."""
    at = 0
    for item in items:
        match item:
            case {"type": "message", "start": int(start), "end": int(end)} if start != at or end <= start:
                return False
            case {"type": "message", "start": int(), "end": int(end)}:
                at = end
    return at == len(reply)


def _stretch_of(position: int, reply: str, item: Mapping[str, Any]) -> ReplySpan:
    match item:
        case {"type": "message", "start": int(start), "end": int(end)}:
            return ReplySpan(position, None, reply[start:end])
        case {"type": "reasoning", "text": str(text)}:
            return ReplySpan(position, str(item.get("field") or "reasoning"), text)
    return ReplySpan(position, ITEM, json.dumps(item, ensure_ascii=False))
