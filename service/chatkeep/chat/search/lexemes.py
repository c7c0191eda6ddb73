"""Lexemes of turns: words, symbols, and pairs of neighbouring characters where words are not spaced.

Every character of a folded text is of one kind:

- `w`: letters, digits and marks; a run of them is a word, and a lexeme;
- `c`: characters of scripts in which any part of a text may be looked for, such as Chinese, Japanese and Korean. Each
  pair of neighbours of which one is such a character is a lexeme, punctuation and letters beside it included. One that
  nothing follows is a lexeme by itself, so that every single one begins some lexeme;
- `s`: symbols, such as emoji and `+`; each is a lexeme;
- ` ` and `p`: white space, and the rest.

Source: PostgreSQL manual 12.11, Limitations of full text search: a `tsvector` holds 1 MB and its positions stop at
16,383. So it has no positions, and a turn with too many lexemes has several parts.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from uuid import UUID

from chatkeep.chat.search.casefold import casefold
from chatkeep.database.user_lexeme import user_mark

# Raised whenever the same text gets other lexemes; `chatkeep search reindex` then makes them again.
VERSION = 1
# Of turns with a refusal: it was not among their texts before, and only they are to be made again. The next `VERSION`
# is above it.
REFUSAL_VERSION = 2

MAX_WORD_CHARACTERS = 64
PART_BYTES = 400_000
# Between lexemes on their way to the database; none holds white space.
SEPARATOR = "\n"
# The marks below begin with what no word, symbol or pair begins with alone.
LONG_MARK = "@+"

_WORDS = re.compile("w+")
_ASCII_WORDS = re.compile("[a-z0-9]+")
_ASCII_SYMBOLS = frozenset("$+<=>|~")
_PART_OF_TEXT = re.compile(
    "["
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309a\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # Han, kana, bopomofo
    "]"
)
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")


@cache
def kind_of(character: str) -> str:
    if character.isspace():
        return " "
    if _PART_OF_TEXT.match(character):
        return "c"
    category = unicodedata.category(character)
    if category[0] in "LNM":
        return "w"
    if category[0] == "Z":
        return " "
    return "s" if category in ("So", "Sm", "Sc") or _SKIN.match(character) else "p"


class _Kinds(dict[int, str]):
    def __missing__(self, code: int) -> str:
        self[code] = kind = kind_of(chr(code))
        return kind


class _Flat(dict[int, str]):
    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = flat = " " if kind_of(character) in " p" else character
        return flat


_KINDS = _Kinds()
_FLAT = _Flat()


def kinds_of(folded_text: str) -> str:
    """Return the kind of each character of a folded text."""
    return folded_text.translate(_KINDS)


def flatten(folded_text: str) -> str:
    """Return a folded text, as long as it is, with a space for every character that only separates."""
    return folded_text.translate(_FLAT)


def lexemes_of(text: str) -> set[str]:
    """Return the lexemes of a text."""
    text = casefold(text)
    if text.isascii():
        return {word[:MAX_WORD_CHARACTERS] for word in _ASCII_WORDS.findall(text)} | (_ASCII_SYMBOLS & set(text))
    kinds = kinds_of(text)
    found = {text[run.start() : min(run.end(), run.start() + MAX_WORD_CHARACTERS)] for run in _WORDS.finditer(kinds)}
    if "s" in kinds:
        found.update(character for character, kind in zip(text, kinds, strict=True) if kind == "s")
    if "c" in kinds:
        found.update(pairs_of(text, kinds))
        found.update(unsegmented_characters(text + " ", kinds + " "))
    return found


def pairs_of(text: str, kinds: str) -> Iterator[str]:
    """Yield the pairs of neighbours that are lexemes."""
    for first, second, kind, next_kind in zip(text, text[1:], kinds, kinds[1:], strict=False):
        if (kind == "c" and next_kind != " ") or (next_kind == "c" and kind != " "):
            yield first + second


def unsegmented_characters(text: str, kinds: str) -> Iterator[str]:
    """Yield the characters of scripts in which parts are looked for that white space follows."""
    at = kinds.find("c ")
    while at >= 0:
        yield text[at]
        at = kinds.find("c ", at + 1)


def parts_of(user_id: UUID, texts: Iterable[str | None]) -> list[str]:
    """Return the lexemes of a turn's texts, in parts that a `tsvector` can hold, joined by `SEPARATOR`."""
    found: set[str] = set()
    for text in texts:
        if text:
            found |= lexemes_of(text)
    mark = user_mark(user_id)
    joined = SEPARATOR.join([mark, *found])
    if len(joined) * 4 <= PART_BYTES or len(joined.encode()) <= PART_BYTES:
        return [joined]
    return [SEPARATOR.join([mark, LONG_MARK, *chunk]) for chunk in _chunks(sorted(found))]


def _chunks(lexemes: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for lexeme in lexemes:
        length = len(lexeme.encode())
        if chunk and size + length > PART_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(lexeme)
        size += length
    yield chunk
