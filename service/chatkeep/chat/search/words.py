"""Words of folded texts, and the parts by which they are found, too."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from chatkeep.folding.folding import MARK

# A longer word, or one of more parts, is no word that somebody put together: keys, pictures as text.
MAX_WORD_CHARACTERS = 64
MAX_PARTS = 8

_WORDS = re.compile("[wm]+")
_ASCII_WORDS = re.compile(f"[a-z0-9{MARK}]+")
_PART_OF_TEXT = re.compile(
    "["
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # Han, kana, bopomofo
    "]"
)
# Letters of Arabic and Hebrew that are written on to the word behind them: and, the, in, to, as, from.
_ARABIC = tuple(f"{a}{b}" for a in ("", "و", "ف") for b in ("", "ال", "بال", "کال", "لل", "ب", "ل", "ک") if a or b)
_HEBREW = tuple(f"{a}{b}" for a in ("", *"הובלמשכ") for b in "הובלמשכ")
_WRITTEN_ON = re.compile("[\u05d0-\u05ea\u0621-\u06d3]")
_MIN_REST = 3
# Bold and struck out inside a word, and the commas of large numbers.
_JOINTS = re.compile(r"(?<=[^\W_])(?:\*{1,3}|~~)(?=[^\W_])|(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?![\d,])")


class Word(NamedTuple):
    """A run of letters and digits, where it begins, and where in it parts begin."""

    text: str
    start: int
    parts: tuple[int, ...]


@cache
def kind_of(character: str) -> str:
    if character == MARK:
        return "m"
    if character.isspace():
        return " "
    if _PART_OF_TEXT.match(character):
        return "c"
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return "w"
    return " " if category[0] == "Z" else "s"


class _Kinds(dict[int, str]):
    def __missing__(self, code: int) -> str:
        self[code] = kind = kind_of(chr(code))
        return kind


_KINDS = _Kinds()


def kinds_of(folded_text: str) -> str:
    """Return the kind of each character of a folded text."""
    return folded_text.translate(_KINDS)


def words_of(marked_text: str) -> Iterator[Word]:
    """Yield the words of a marked text; positions are those of the text without marks."""
    runs = _ASCII_WORDS if marked_text.isascii() else _WORDS
    searched = marked_text if marked_text.isascii() else kinds_of(marked_text)
    marks = 0
    for run in runs.finditer(searched):
        text = marked_text[run.start() : run.end()]
        start = run.start() - marks
        if MARK in text:
            pieces = text.split(MARK)
            marks += len(pieces) - 1
            text = "".join(pieces)
            if text:
                yield Word(text, start, _ends(pieces) if _has_parts(text, pieces) else ())
        else:
            yield Word(text, start, written_on(text))


def _has_parts(text: str, pieces: list[str]) -> bool:
    return len(text) <= MAX_WORD_CHARACTERS and len(pieces) <= MAX_PARTS


def _ends(pieces: list[str]) -> tuple[int, ...]:
    at, found = 0, set()
    for piece in pieces[:-1]:
        at += len(piece)
        found.add(at)
    return tuple(sorted(found - {0, at + len(pieces[-1])}))


def written_on(word: str) -> tuple[int, ...]:
    """Return where a word of Arabic or Hebrew begins behind what is written on to it."""
    if not _WRITTEN_ON.match(word):
        return ()
    ends = {len(each) for each in (*_ARABIC, *_HEBREW) if word.startswith(each)}
    return tuple(sorted(end for end in ends if len(word) - end >= _MIN_REST))


def joined(text: str) -> str | None:
    """Return a text without what may divide a word or a number of it; None where there is nothing of that."""
    without, count = _JOINTS.subn(lambda found: (found[1] or "").replace(",", ""), text)
    return without if count else None
