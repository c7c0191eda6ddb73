"""Lexemes of turns: numbers by which they are found, made of words, signs and characters.

Every character of a folded text is of one kind:

- `w`: letters, digits and marks; a run of them is a word;
- `c`: characters of scripts in which any part of a text may be looked for, such as Chinese, Japanese and Korean;
- ` `: white space;
- `s`: signs, which are all the others.

A word of up to four characters is a lexeme. A longer one is known by its first five, its first eight and, where it is
long enough to be put together of several, its last six. So are the parts of `getUserName` and the like. Each character
of the second kind is a lexeme, and each pair of neighbours of which one is such a character. A sign is one, unless
sentences are full of it. A lexeme is 32 bits of a checksum: a turn that has those of a query need not say it.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from uuid import UUID

from chatkeep.chat.search.words import MAX_WORD_CHARACTERS, joined, kind_of, kinds_of, words_of
from chatkeep.database.user_lexeme import lexeme_of, user_lexeme
from chatkeep.folding.folding import MARK, bare, marked

# Raised whenever the same text gets other lexemes; they are then made again.
VERSION = 3

SHORT_CHARACTERS = 4
BEGINNINGS = (5, 8)
END_CHARACTERS = 6
# A shorter word is not put together of several.
COMPOUND_CHARACTERS = 11

_ASCII_SIGNS = frozenset("#$%&*+/<=>@[\\]^_`{|}~")


@lru_cache(maxsize=65_536)
def short_word(word: str) -> int:
    return lexeme_of(f"w{word}")


@lru_cache(maxsize=65_536)
def beginning(word: str) -> int:
    """Return the lexeme of all words that begin as this one of five characters or more."""
    return lexeme_of(f"b{word[: max(length for length in BEGINNINGS if length <= len(word))]}")


@lru_cache(maxsize=65_536)
def end(word: str) -> int:
    return lexeme_of(f"e{word[-END_CHARACTERS:]}")


@lru_cache(maxsize=65_536)
def characters(one_or_two: str) -> int:
    return lexeme_of(one_or_two)


@lru_cache(maxsize=65_536)
def _of_word(word: str, parts: tuple[int, ...]) -> frozenset[int]:
    starts, ends = (0, *parts), (*parts, len(word))
    found = {short_word(word[first:last]) for first in starts for last in ends if 0 < last - first <= SHORT_CHARACTERS}
    for start in starts:
        found |= {beginning(word[start : start + length]) for length in BEGINNINGS if len(word) - start >= length}
    if len(word) >= COMPOUND_CHARACTERS:
        found.add(end(word))
    return frozenset(found)


def lexemes_of(text: str) -> set[int]:
    """Return the lexemes of a text."""
    text = bare(marked(text))
    found = _lexemes(text)
    if (other := joined(text)) is not None:
        found |= _lexemes(other)
    return found


def _lexemes(text: str) -> set[int]:
    found: set[int] = set()
    for word in words_of(text):
        # What was longer is known by its ends, and would only fill the cache.
        found |= _of_word(_shortened(word.text), word.parts)
    found |= {characters(sign) for sign in set(text) if is_telling_sign(sign)}
    if not text.isascii():
        text = text.replace(MARK, "")
        kinds = kinds_of(text)
        if "c" in kinds:
            found |= {characters(pair) for pair in set(pairs_of(text, kinds))}
            found |= {characters(each) for each in set(text) if kind_of(each) == "c"}
    return found


def _shortened(word: str) -> str:
    if len(word) <= MAX_WORD_CHARACTERS:
        return word
    return word[: MAX_WORD_CHARACTERS // 2] + word[-MAX_WORD_CHARACTERS // 2 :]


@lru_cache(maxsize=4096)
def is_telling_sign(character: str) -> bool:
    """Tell whether a character is a sign that not every sentence has."""
    if character.isascii():
        return character in _ASCII_SIGNS
    return kind_of(character) == "s" and unicodedata.category(character)[0] == "S"


def pairs_of(text: str, kinds: str) -> Iterator[str]:
    """Yield the pairs of neighbours that are lexemes."""
    for first, second, kind, next_kind in zip(text, text[1:], kinds, kinds[1:], strict=False):
        if (kind == "c" and next_kind != " ") or (next_kind == "c" and kind != " "):
            yield first + second


def lexemes_of_turn(user_id: UUID, texts: Iterable[str | None]) -> list[int]:
    """Return the lexemes of a turn's texts, and its user's."""
    found = {user_lexeme(user_id)}
    for text in texts:
        if text:
            found |= lexemes_of(text)
    return sorted(found)
