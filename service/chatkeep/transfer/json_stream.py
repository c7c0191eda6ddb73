"""JSON values out of a file of any size, one at a time: the elements of a list, or values one after the other.

A value that is broken, or larger than fits into memory, is told and passed over by its brackets; the rest is read.
A streaming parser would stop there, and would make another character of a lone surrogate and what follows it.

Source: RFC 8259; NDJSON is values with line feeds between them.
"""

import codecs
import json
import json.scanner
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from chatkeep.transfer.imported import UnknownFormat, Unreadable
from chatkeep.transfer.large_conversations import LargeConversation, begun
from chatkeep.transfer.sanitize import needs_cleaning

CHUNK_BYTES = 1024 * 1024
MAX_CHARACTERS = 32 * 1024 * 1024
# Parsed, a value takes many times its length where it is made of tiny parts: three bytes can be 72 in memory.
MAX_PARTS = 1_500_000
MAX_NUMBER_CHARACTERS = 300
MAX_WORD_CHARACTERS = 1024
MAX_STEP_CHARACTERS = 256 * 1024
# A value that is no longer is parsed where it stands: thousands of them are a file.
SHORT_CHARACTERS = 4 * 1024
# A list of more parts is read by Python's own code: the faster one in C lets no other thread run until it has ended.
MANY_PARTS = 50_000

CUT = "The file ends in the middle of it."

_BETWEEN = re.compile(r"[ \t\r\n,]*")
# Whole texts and runs of brackets at once: a file of nothing else costs the steps of its runs, not of its characters.
# Nothing here is looked at twice, however it goes on (`++`, `*+`).
_OUTSIDE = re.compile(r'"(?:[^"\\]++|\\.)*+"|"|\\.|\[++|\{++|\]++|\}++', re.DOTALL)
_REST_OF_TEXT = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_WORD = re.compile(rf"[^\s,\[\]{{}}]{{1,{MAX_WORD_CHARACTERS}}}|.", re.DOTALL)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Value:
    """One value.

    Args:
        size: characters of the text that said it.
        is_suspicious: something in it may be what the database cannot keep.
        list_number: which of the file's lists it is an element of; not positive for one that is in none.
    """

    parsed: Any
    size: int
    is_suspicious: bool = False
    list_number: int = 0


def _whole_number(text: str) -> int | str:
    return int(text) if len(text) < MAX_NUMBER_CHARACTERS else text


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


# NaN is no JSON, and Python writes it all the same.
NUMBERS: dict[str, Any] = {
    "parse_int": _whole_number,
    "parse_float": _number,
    "parse_constant": lambda _: None,
}
_DECODER = json.JSONDecoder(**NUMBERS, strict=False)


def _in_steps(decoder: json.JSONDecoder) -> json.JSONDecoder:
    """Return the same decoder, made to let other threads run while it reads."""
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]  # not in the stubs
    return decoder


_PATIENT_DECODER = _in_steps(json.JSONDecoder(**NUMBERS, strict=False))


def _decoder_of(beginning: bytes) -> codecs.IncrementalDecoder:
    """Return the decoder of a file, by its byte order mark, or by where the zeros of its first characters are."""
    if beginning[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return codecs.getincrementaldecoder("utf-16")("replace")
    if beginning[1:2] == b"\0" and beginning[:1] != b"\0":
        return codecs.getincrementaldecoder("utf-16-le")("replace")
    if beginning[:1] == b"\0" and beginning[1:2] not in (b"", b"\0"):
        return codecs.getincrementaldecoder("utf-16-be")("replace")
    return codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")


class JsonValues:
    """The values in a file.

    Args:
        file: UTF-8, or UTF-16 as PowerShell writes it; bytes that are not UTF-8 become lone surrogates, for `sanitize`
            to replace.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = ""
        self._at = 0
        self._ended = False
        self._lists = 0
        self._in_list = False
        self._large: LargeConversation | None = None

    def __iter__(self) -> Iterator[Value | Unreadable]:
        is_cut = False
        while self._comes_something():
            if self._large is not None:
                held: list[Value | Unreadable] = [self._next_part()]
                yield held.pop()
            elif self._text[self._at] == ("]" if self._in_list else "["):
                self._at += 1
                self._in_list = not self._in_list
                self._lists += self._in_list
            else:
                held = [self._value()]
                is_cut = isinstance(held[0], Unreadable) and held[0].reason == CUT
                yield held.pop()  # and hold nothing of it while its rows are kept
        if self._large is not None:
            yield Unreadable(CUT)
        elif self._in_list and not is_cut:
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
        if self._ended:
            return False
        data = self._file.read(max(CHUNK_BYTES, len(self._text) - self._at))
        self._ended = not data
        if self._decoder is None:
            self._decoder = _decoder_of(data)
        self._text, self._at = self._text[self._at :] + self._decoder.decode(data, final=self._ended), 0
        return True

    def _value(self) -> Value | Unreadable:
        return self._bracketed() if self._text[self._at] in '[{"' else self._word()

    def _word(self) -> Value | Unreadable:
        """Read a number, or a name such as `null`: all up to the next bracket, comma or space."""
        while len(self._text) - self._at < MAX_WORD_CHARACTERS and self._read_on():
            pass
        found = _WORD.match(self._text, self._at)
        self._at = found.end() if found else len(self._text)
        return self._parsed(found[0] if found else "", UnknownFormat())

    def _bracketed(self) -> Value | Unreadable:
        """Read a list, an object or a text. The end of a longer one is found first, so that none is parsed twice."""
        if (short := self._short()) is not None:
            return short
        brackets = _Brackets()
        scanned = self._at
        while True:
            end, scanned = brackets.end_in(self._text, scanned)
            if end is not None:
                text = self._text[self._at : end]
                if _parts_of(text) > MAX_PARTS and self._begins_large():
                    return self._next_part()
                self._at = end
                return self._parsed(text, Unreadable("It is not valid JSON."))
            if len(self._text) - self._at > MAX_CHARACTERS:
                if self._begins_large():
                    return self._next_part()
                return self._passed_over(brackets, scanned)
            scanned -= self._at
            if not self._read_on():
                self._at = len(self._text)
                return Unreadable(CUT)

    def _short(self) -> Value | None:
        """Read a value of a few characters in one step; None where it is longer, or broken."""
        text = self._text[self._at : self._at + SHORT_CHARACTERS]
        try:
            parsed, size = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        self._at += size
        return Value(parsed, size, needs_cleaning(text[:size]), self._lists if self._in_list else -self._lists)

    def _begins_large(self) -> bool:
        """Tell whether the value is a conversation of this service, and if so, stand before its first turn."""
        if self._large is None and (found := begun(self._text, self._at, _DECODER)) is not None:
            self._large, self._at = found
            return True
        return False

    def _next_part(self) -> Value:
        """Read the next turns of a large conversation."""
        large = self._large
        assert large is not None  # noqa: S101  nobody asks otherwise
        while not large.is_full() and self._comes_something():
            if self._text[self._at] == "]":
                self._large, self._at = None, self._at + 1
                if self._comes_something() and self._text[self._at] == "}":
                    self._at += 1
                break
            # One that cannot be read has none below it: those are told as failures of their part.
            if isinstance(turn := self._value(), Value):
                large.add(turn.parsed, turn.size, is_suspicious=turn.is_suspicious)
        return Value(*large.next_part(), self._lists if self._in_list else -self._lists)

    def _parsed(self, text: str, otherwise: Unreadable) -> Value | Unreadable:
        parts = _parts_of(text)
        if parts > MAX_PARTS or len(text) > MAX_CHARACTERS:
            return _too_large()
        decoder = _PATIENT_DECODER if parts > MANY_PARTS else _DECODER
        number = self._lists if self._in_list else -self._lists
        try:
            return Value(decoder.decode(text), len(text), needs_cleaning(text), number)
        except RecursionError:
            return Unreadable("It is nested too deep.")
        except ValueError:
            return otherwise

    def _passed_over(self, brackets: "_Brackets", scanned: int) -> Unreadable:
        """Go behind a value that is too large, and keep none of it."""
        end: int | None = None
        while end is None:
            self._at = scanned
            if not self._read_on():
                self._at = len(self._text)
                break
            end, scanned = brackets.end_in(self._text, 0)
            self._at = scanned if end is None else end
        return _too_large()


def _parts_of(text: str) -> int:
    """Return how many parts a value has at most."""
    return sum(map(text.count, ",{["))


def _too_large() -> Unreadable:
    return Unreadable(f"It is larger than {MAX_CHARACTERS // 1024**2} MiB, or of too many parts.")


class _Brackets:
    """Finds the end of a list, an object or a text, over several pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False

    def end_in(self, text: str, start: int) -> tuple[int | None, int]:
        """Return where the value ends in this piece, if it does, and from where on to look with more of it."""
        while True:
            # One step looks at so much and no more: other threads, those that answer requests too, wait for its end.
            stop = min(len(text), start + MAX_STEP_CHARACTERS)
            end, start = self._end_between(text, start, stop)
            if end is not None or stop == len(text):
                return end, start

    def _end_between(self, text: str, start: int, stop: int) -> tuple[int | None, int]:
        if self._in_text:
            rest = _REST_OF_TEXT.match(text, start, stop)
            if rest is None:
                return None, _before_cut_escape(text, start, stop)
            self._in_text, start = False, rest.end()
            if self._depth <= 0:
                return start, start
        for found in _OUTSIDE.finditer(text, start, stop):
            mark = found[0]
            if mark == '"':
                self._in_text = True
                return None, _before_cut_escape(text, found.end(), stop)
            end = self._end_at(mark, found.start())
            if end is not None:
                return end, end
        return None, _before_cut_escape(text, start, stop)

    def _end_at(self, mark: str, start: int) -> int | None:
        if mark[0] in "[{":
            self._depth += len(mark)
        elif mark[0] in "]}":
            if len(mark) >= self._depth:
                return start + max(1, self._depth)
            self._depth -= len(mark)
        elif mark[0] == '"' and self._depth <= 0:
            return start + len(mark)
        return None


def _before_cut_escape(text: str, start: int, stop: int) -> int:
    """Return the piece's end, or where the escape begins that the next piece has the rest of."""
    piece = text[start:stop]
    escapes = len(piece) - len(piece.rstrip("\\"))
    return stop - escapes % 2
