"""Texts as search compares them: case and width do not matter; and the way back to what was written."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# Invisible characters: soft hyphens, joiners, direction marks, variation selectors, fillers.
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Besides marks, what may become one character with the one before: vowels and finals of Hangul, halfwidth voicing.
_JOINING = re.compile("[\u1160-\u11ff\u3131-\u318e\ud7b0-\ud7fb\uff9e\uff9f\uffa0-\uffdc]")
_STRETCH_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Cluster:
    """Characters that are folded together, and where what they become lies in the folded text."""

    text: str
    start: int
    end: int


def casefold(text: str) -> str:
    """Return a text that is equal for texts that differ in case, width or invisible characters alone.

    Source: Unicode Standard 3.13, Default Caseless Matching; NFKC_Casefold.
    """
    if text.isascii():
        return text.lower()
    visible = unicodedata.normalize("NFKC", _IGNORED.sub("", text))
    return unicodedata.normalize("NFKC", visible.casefold())


def clusters(text: str, start: int, end: int) -> Iterator[Cluster]:
    """Yield, in order, the clusters of `text` around positions `start` to `end` of the folded text; a little more too.

    Joined in order, what all clusters of a text become is the folded text.
    """
    begin, at = 0, 0
    while begin < len(text) and at <= end:
        stop = _boundary(text, begin + _STRETCH_CHARACTERS)
        length = len(casefold(text[begin:stop]))
        if at + length >= start:
            yield from _each(text, begin, stop, at)
        begin, at = stop, at + length


def _each(text: str, begin: int, stop: int, at: int) -> Iterator[Cluster]:
    while begin < stop:
        after = _boundary(text, begin + 1)
        length = len(casefold(text[begin:after]))
        yield Cluster(text[begin:after], at, at + length)
        begin, at = after, at + length


def _boundary(text: str, position: int) -> int:
    """Return the first position from here on at which a text can be cut and each side be folded alone."""
    while position < len(text) and _joins(text[position]):
        position += 1
    return min(position, len(text))


@lru_cache(maxsize=4096)
def _joins(character: str) -> bool:
    if unicodedata.category(character).startswith("M"):
        return True
    return bool(_JOINING.match(character) or _IGNORED.match(character))
