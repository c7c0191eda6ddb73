"""Queries taken apart: words, phrases in quotation marks, filters, and what must not be there.

A text that was pasted, of several lines or very long, is no place for operators: everything in it is words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from chatkeep.chat.search.filters import Filters, filter_of
from chatkeep.folding.signs import DASHES

PASTED_CHARACTERS = 300

_QUOTES = '"\u201c\u201d\u201e\u201f\u301d\u301e\u301f\uff02'
_OTHER_QUOTES = "«»「」『』"
_PHRASES = (
    f"[{_QUOTES}](?P<phrase>[^{_QUOTES}]*)[{_QUOTES}]?|[«»](?P<angled>[^«»]*)[«»]?"
    "|「(?P<corner>[^」]*)」?|『(?P<double>[^』]*)』?"
)
_PIECES = re.compile(
    rf"(?P<minus>(?<!\S)[-\u2212\uff0d](?=[^\s\d{DASHES}-]))?(?:(?P<name>[A-Za-z\uff21-\uff3a\uff41-\uff5a]+)[:\uff1a])?"
    rf"(?:{_PHRASES}|(?P<words>[^\s{_QUOTES}{_OTHER_QUOTES}]+)|)"
)
_PASTED = re.compile(rf"[^\s{_QUOTES}{_OTHER_QUOTES}]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is asked for.

    Args:
        written: with its operators, for where they turn out to be text.
        without: it must not be there.
        is_beginning: of a word.
    """

    text: str
    written: str
    is_phrase: bool = False
    without: bool = False
    is_beginning: bool = False

    def literal(self) -> "Piece":
        return replace(self, text=self.text if self.is_phrase else self.written, without=False)


def read(query: str) -> tuple[list[Piece], Filters]:
    """Return the words and signs of a query, and its filters; of several that contradict each other the last."""
    if len(query) > PASTED_CHARACTERS or "\n" in query.strip():
        return [Piece(each[0], each[0]) for each in _PASTED.finditer(query)], Filters()
    filters = Filters()
    pieces: list[Piece] = []
    for found in _PIECES.finditer(query):
        phrase = next((each for name in _GROUPS if (each := found[name]) is not None), None)
        changes = None
        if found["name"] and not found["minus"]:
            changes = filter_of(found["name"], (found["words"] if phrase is None else phrase) or "")
        if changes is not None:
            filters = replace(filters, **changes)
        else:
            pieces += _pieces(found, phrase)
    return pieces, filters


_GROUPS = ("phrase", "angled", "corner", "double")


def _pieces(found: "re.Match[str]", phrase: str | None) -> Iterator[Piece]:
    without = bool(found["minus"])
    name = found[0][len(found["minus"] or "") :][: len(found["name"]) + 1] if found["name"] else ""
    if phrase is None:
        words = name + (found["words"] or "")
        if words:
            star = re.fullmatch(r"(\w+)[*\uff0a]", words)
            yield Piece(star[1] if star else words, found[0], without=without, is_beginning=bool(star))
        return
    if name:
        yield Piece(name, name, without=without)
    yield Piece(phrase, phrase, is_phrase=True, without=without)
