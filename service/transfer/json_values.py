"""JSON values out of a file of any size, one at a time: the elements of a list, or values one after the other.

A value that is broken, or larger than fits into memory, is told and passed over by its brackets; the rest is read.
A streaming parser would stop there, and would make another character of a lone surrogate and what follows it.

Source: RFC 8259; NDJSON is values with line feeds between them.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from service.transfer.conversations import UnknownFormat, Unreadable

CHUNK_BYTES = 1024 * 1024
LARGEST_CHARACTERS = 32 * 1024 * 1024
# Parsed, a value takes many times its length where it is made of tiny parts: three bytes can be 72 in memory.
MOST_PARTS = 1_500_000
# What JSON says of a value that only ended too early is said of its end, but for a text without an end.
CUT_OFF = 16
LONGEST_NUMBER = 300

_BETWEEN = re.compile(r"[ \t\r\n,]*")
_BRACKET = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_DEPTHS = {"[": 1, "{": 1, "]": -1, "}": -1}
_WORD = re.compile(r"[^\s,\[\]{}]+|.", re.DOTALL)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Value:
    """One value, and the text that said it."""

    parsed: Any
    text: str


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) < LONGEST_NUMBER else text


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


# NaN is no JSON, and Python writes it all the same.
_DECODER = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=lambda _: None, strict=False)


class JsonValues:
    """The values in a file.

    Args:
        file: UTF-8; bytes that are not become lone surrogates, for `cleaning` to replace.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._text = ""
        self._at = 0
        # Read for a value that was larger than those after it, which are looked at a chunk at a time.
        self._later = ""
        self._ended = False

    def __iter__(self) -> Iterator[Value | Unreadable]:
        in_list = False
        while self._comes_something():
            if self._text[self._at] == ("]" if in_list else "["):
                self._at += 1
                in_list = not in_list
            else:
                yield self._value()
        if in_list:
            yield Unreadable("The file ends in the middle of its list.")

    def _comes_something(self) -> bool:
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._at = between.end() if between else self._at
            if self._at < len(self._text):
                return True
            if not self._read_on():
                return False

    def _read_on(self) -> bool:
        """Have more text, at least twice as much as is waiting; False at the file's end."""
        size = max(CHUNK_BYTES, len(self._text) - self._at)
        if self._later:
            more, self._later = self._later[:size], self._later[size:]
        elif self._ended:
            return False
        else:
            data = self._file.read(size)
            self._ended = not data
            more = self._decoder.decode(data, final=self._ended)
        self._text, self._at = self._text[self._at :] + more, 0
        return True

    def _forget_growth(self) -> None:
        """Keep the next chunk before the eyes, and the rest for later."""
        if len(self._text) - self._at > 2 * CHUNK_BYTES:
            end = self._at + CHUNK_BYTES
            self._text, self._later = self._text[self._at : end], self._text[end:] + self._later
            self._at = 0

    def _value(self) -> Value | Unreadable:
        self._forget_growth()
        while True:
            try:
                return self._parsed()
            except (ValueError, RecursionError) as error:
                waiting = len(self._text) - self._at
                if self._is_hopeless(error) or waiting > LARGEST_CHARACTERS or not self._read_on():
                    return self._passed_over(error)

    def _parsed(self) -> Value:
        """Raises: ValueError, RecursionError: it is not a whole value, or not yet."""
        if self._has_too_many_parts():
            raise _TooManyParts
        parsed, end = _DECODER.raw_decode(self._text, self._at)
        if end == len(self._text) and not (self._ended and not self._later) and not isinstance(parsed, (dict, list)):
            raise ValueError("a number may go on")
        text, self._at = self._text[self._at : end], end
        return Value(parsed, text)

    def _has_too_many_parts(self) -> bool:
        """Tell whether the value, as far as it is there, would take too much memory."""
        if self._parts_to(len(self._text)) <= MOST_PARTS:
            return False
        end, _ = _Brackets().end_in(self._text, self._at)
        return end is None or self._parts_to(end) > MOST_PARTS

    def _parts_to(self, end: int) -> int:
        if end - self._at < MOST_PARTS:
            return 0
        return sum(self._text.count(part, self._at, end) for part in ",{[")

    def _is_hopeless(self, error: Exception) -> bool:
        """Tell whether more of the file cannot mend it."""
        if not isinstance(error, json.JSONDecodeError):
            return isinstance(error, (_TooManyParts, RecursionError))
        return not error.msg.startswith("Unterminated") and error.pos < len(self._text) - CUT_OFF

    def _passed_over(self, error: Exception) -> Unreadable:
        if self._text[self._at] not in '[{"':
            word = _WORD.match(self._text, self._at)
            self._at = word.end() if word else self._at + 1
            return UnknownFormat()
        length, whole = self._pass_over()
        if isinstance(error, RecursionError):
            return Unreadable("It is nested too deep.")
        if length > LARGEST_CHARACTERS or isinstance(error, _TooManyParts):
            return Unreadable(f"It is larger than {LARGEST_CHARACTERS // 1024**2} MiB, or of too many parts.")
        if not whole:
            return Unreadable("The file ends in the middle of it.")
        return Unreadable("It is not valid JSON.")

    def _pass_over(self) -> tuple[int, bool]:
        """Go behind the value by its brackets; return how long it was, and whether it had an end."""
        length, brackets = 0, _Brackets()
        while True:
            start = self._at
            end, seen = brackets.end_in(self._text, start)
            # An escape may be cut in its middle.
            cut = end is None and self._text.endswith("\\") and seen < len(self._text)
            self._at = len(self._text) - cut if end is None else end
            length += self._at - start
            if end is not None:
                return length, True
            if not self._read_on():
                self._at = len(self._text)
                return length, False


class _Brackets:
    """Finds the end of a list, an object or a text, over several pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False

    def end_in(self, text: str, start: int) -> tuple[int | None, int]:
        """Return where the value ends in this piece, if it does, and how far it was looked at."""
        seen = start
        for found in _BRACKET.finditer(text, start):
            mark, seen = found[0], found.end()
            if mark == '"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += _DEPTHS.get(mark, 0)
            if self._depth <= 0 and not self._in_text:
                return seen, seen
        return None, seen


class _TooManyParts(ValueError):
    """Parsed, it would take too much memory."""
