"""Turns that have entries of the release before alone: found as that release found them, until they are made anew.

Its entries are `tsvector`s, with lexemes of words as it folded them. What is found by them is held against the texts by
the rules of this release.
"""

import re
from collections.abc import Iterator

from chatkeep.chat.search.older_folding import casefold
from chatkeep.chat.search.query import MAX_LEXEMES, SearchQuery, Term
from chatkeep.chat.search.words import MAX_WORD_CHARACTERS, kinds_of

# Of a turn in several parts, each of which is a candidate.
LONG_MARK = "@+"
_WORDS = re.compile("w+")


def older_tsquery(asked: SearchQuery) -> str | None:
    """Return a `tsquery` that fits older entries of turns that say it; None where nothing narrows them down."""
    lexemes = dict.fromkeys(each for term in asked.terms for each in _lexemes(term))
    if not lexemes:
        beginnings = [begin for term in asked.terms if (begin := _beginning(term))]
        return _quoted(beginnings[0]) + ":*" if beginnings else None
    return f"({' & '.join(map(_quoted, list(lexemes)[:MAX_LEXEMES]))}) | {_quoted(LONG_MARK)}"


def _lexemes(term: Term) -> Iterator[str]:
    text = casefold(term.written).strip()
    kinds = kinds_of(text)
    if "c" in kinds:
        for first, second, kind, next_kind in zip(text, text[1:], kinds, kinds[1:], strict=False):
            if " " not in (kind, next_kind) and "c" in (kind, next_kind):
                yield first + second
    elif not term.is_beginning:
        for run in _WORDS.finditer(kinds):
            yield text[run.start() : run.end()][:MAX_WORD_CHARACTERS]


def _beginning(term: Term) -> str | None:
    """Return the beginning of a lexeme: of a single character, or of the word that is asked for."""
    text = casefold(term.written).strip()
    kinds = kinds_of(text)
    if "c" in kinds:
        return text[kinds.index("c")]
    found = _WORDS.search(kinds)
    return text[found.start() : found.end()] if found else None


def _quoted(lexeme: str) -> str:
    """Return a lexeme as `tsquery` reads it: whatever it holds, it is one."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
