"""Texts folded for comparison: equal where only the keyboard differs; and the way back to what was written.

A folded text has lost case, width, invisible characters, the vowel marks of Arabic and Hebrew, the space within
Japanese and Chinese; dashes, apostrophes and quotation marks are one each. Its accents are left, and its kind of kana:
`bare` takes them away, one character for one, so that both are compared place by place.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from chatkeep.folding.han_variants import HAN_VARIANTS
from chatkeep.folding.signs import SIGNS

# Where a part of a word begins: `get|User|Name`, `v|18`, and a place at which a line may be broken. No text holds it.
MARK = "\0"

# Invisible characters: soft hyphens, joiners, direction marks, variation selectors, fillers; Arabic's stretching and
# the vowel marks of Arabic and Hebrew.
_IGNORED = re.compile(
    "[\u00ad\u034f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u061c\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Besides marks, what may become one character with the one before: vowels and finals of Hangul, halfwidth voicing.
_JOINING = re.compile("[\u1160-\u11ff\u3131-\u318e\ud7b0-\ud7fb\uff9e\uff9f\uffa0-\uffdc]")
# Marks that no letter has taken up: a stress in Russian, the dot of a Turkish capital.
_LEFT_MARKS = re.compile("[\u0300-\u036f]+")
_LETTERS = {
    **HAN_VARIANTS,
    0x131: "i",  # without its dot, as Turkish has it
    **dict.fromkeys(map(ord, "آأإٱ"), "ا"),
    ord("ؤ"): "و",
    ord("ئ"): "ی",
    ord("ي"): "ی",
    ord("ى"): "ی",
    ord("ك"): "ک",
    ord("ة"): "ه",
}
_PARTS = re.compile(
    "[a-z](?=[A-Z])|[A-Z](?=[A-Z][a-z])|[0-9](?=[A-Z][a-z])|(?<![A-Za-z0-9_])[vV](?=[0-9])"
    "|(?<=[A-Za-z0-9])\u200b(?=[A-Za-z0-9])"
)
# Scripts that put no space between words, and their punctuation.
UNSPACED = (
    "\u2e80-\u2fdf\u3001-\u3003\u3005-\u3011\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_SPACES = re.compile(
    rf"(?<=[{UNSPACED}])[\s\0]+(?=[{UNSPACED}]|[^\W_])|(?<=[^\W_])[\s\0]+(?=[{UNSPACED}])|(?<=[{UNSPACED}])\0"
)
# The last long vowel of a word of three sounds or more, which many leave out.
_LAST_LONG_VOWEL = re.compile("(?<=[\u30a1-\u30fa\u30fc]{3})\u30fc(?![\u30a1-\u30fa\u30fc])")
# What a Japanese keyboard writes for a dash.
_LONG_VOWEL_FOR_DASH = re.compile("(?<=[0-9a-z])\u30fc|(?<![\u3041-\u30fa\u30fc])\u30fc(?=[0-9])")
_STRETCH_CHARACTERS = 512


def _to_bare() -> dict[int, str]:
    found = {code: chr(code - 0x60) for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)}
    found |= {0xF8: "o", 0x111: "d", 0x127: "h", 0x142: "l", 0x167: "t", 0x451: "е"}
    for code in (*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x2000)):
        letter, *marks = list(unicodedata.normalize("NFD", chr(code)))
        if marks and all(unicodedata.combining(mark) for mark in marks):
            found[code] = letter
    return found


_BARE = _to_bare()
_SPELLINGS: dict[str, str] = {}
for _code, _letter in _BARE.items():
    _SPELLINGS[_letter] = _SPELLINGS.get(_letter, "") + chr(_code)


def _one_by_one(text: str) -> str:
    """Fold what each character and those that join it say by themselves."""
    visible = unicodedata.normalize("NFKC", _IGNORED.sub("", text.translate(SIGNS)))
    folded = unicodedata.normalize("NFKC", visible.casefold()).translate(_LETTERS)
    return _LEFT_MARKS.sub("", folded)


def marked(text: str) -> str:
    """Return a text folded, with a `MARK` wherever a part of a word begins inside it.

    Source: Unicode Standard 3.13, Default Caseless Matching; NFKC_Casefold.
    """
    text = _PARTS.sub(rf"\g<0>{MARK}", text.replace(MARK, ""))
    if text.isascii():
        return text.lower()
    folded = _one_by_one(text)
    if _UNSPACED.search(folded):
        folded = _LONG_VOWEL_FOR_DASH.sub("-", folded)
        folded = _LAST_LONG_VOWEL.sub("", folded)
        folded = _SPACES.sub("", folded)
    return folded


def fold(text: str) -> str:
    """Return a text folded."""
    return marked(text).replace(MARK, "")


def bare(folded_text: str) -> str:
    """Return a folded text, as long as it is, without accents and with hiragana alone."""
    return folded_text if folded_text.isascii() else folded_text.translate(_BARE)


def is_bare(folded_text: str) -> bool:
    return bare(folded_text) == folded_text


@lru_cache(maxsize=4096)
def spellings(character: str) -> str:
    """Return a character of a bare text, and those that it stands for."""
    return character + _SPELLINGS.get(character, "")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Characters that are folded together, and where what they become lies in the folded text."""

    text: str
    start: int
    end: int


def clusters(text: str, start: int, end: int) -> Iterator[Cluster]:
    """Yield, in order, the clusters of `text` around positions `start` to `end` of the folded text; a little more too.

    Joined in order, what all clusters of a text become is the folded text.
    """
    dropped = _Dropped(text)
    begin, at = 0, 0
    while begin < len(text) and at <= end:
        stop = _boundary(text, begin + _STRETCH_CHARACTERS)
        length = dropped.length(_one_by_one(text[begin:stop]), at)
        if at + length >= start:
            yield from _each(text, begin, stop, at, dropped)
        begin, at = stop, at + length


class _Dropped:
    """The characters that are dropped because of what is beside them, in the order of the text."""

    def __init__(self, text: str) -> None:
        self._folded = fold(text)
        self._are_some = _UNSPACED.search(self._folded) is not None

    def length(self, piece: str, at: int) -> int:
        """Return how much of a piece, folded by itself, is in the folded text from `at` on."""
        if not self._are_some:
            return len(piece)
        length = 0
        for character in piece:
            kept = self._folded[at + length : at + length + 1]
            if kept == character or (character == "\u30fc" and kept == "-"):
                length += 1
        return length


def _each(text: str, begin: int, stop: int, at: int, dropped: _Dropped) -> Iterator[Cluster]:
    while begin < stop:
        after = _boundary(text, begin + 1)
        length = dropped.length(_one_by_one(text[begin:after]), at)
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
