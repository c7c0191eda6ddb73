"""A query: everything that somebody asks for, as terms that a text is held against, and as lexemes that find it.

All terms must be in the same turn, each in its prompt or in its reply.

- A word is found as a whole word, as a part of `getUserName` or `v18`, and, from five letters on, where it begins a
  longer word; from six on also where it ends a long one. `word*` finds every beginning.
- A term with signs (`c#`, `!=`, `tea-pot`) is found as it is written. What ends a sentence is left out at its end.
- A phrase is found as it is written, in whole words, but for the amount of white space.
- A term with a character of a script like Chinese, Japanese or Korean is found as any part of a text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chatkeep.chat.search.filters import Filters
from chatkeep.chat.search.grammar import Piece, read
from chatkeep.chat.search.lexemes import (
    BEGINNINGS,
    END_CHARACTERS,
    SHORT_CHARACTERS,
    beginning,
    characters,
    end,
    is_telling_sign,
    pairs_of,
    short_word,
)
from chatkeep.chat.search.words import kinds_of
from chatkeep.errors import NothingToFind
from chatkeep.folding.folding import bare, fold, spellings

# As many as narrow a search down; what is found is held against the texts anyway.
MAX_LEXEMES = 24
MAX_CONDITIONS = 3
# From here on a character says as much as several letters.
_FIRST_IDEOGRAPH = "\u3400"
_LETTERS_AN_IDEOGRAPH = 3

_CLOSING = ".,;:!?…。、，．！？：；"
_OPENING = "¿¡"
# Signs that end something: by themselves they are nothing to look for.
_CLOSES_ALONE = frozenset(f"{_CLOSING}{_OPENING}…)]}}」』】）\"'“”’・~")
_WORDS = re.compile("w+")
_IN_BRACKETS = re.compile(r"\(([^()]+)\)")
_KANA = re.compile("[\u3041-\u3096\u309d\u309e\u30a1-\u30f6\u30fd\u30fe]")


@dataclass(frozen=True, slots=True)
class Clause:
    """Lexemes one of which every text has that a term is in.

    Args:
        says: about how much: the more, the rarer.
    """

    lexemes: frozenset[int]
    says: int


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that has to be in a text.

    Args:
        written: as it was asked for.
        is_bare: the pattern is of a text without accents and katakana.
        whole_start, whole_end: no letter or digit may be beside it, except where a part of a word begins.
        parts: a part of a word is enough.
        begins: it may begin a longer word; `ends`: it may end a long one.
        is_beginning: of words.
        joined: what divides a word may be left out, see `words.joined`.
    """

    written: str
    pattern: re.Pattern[str]
    clauses: tuple[Clause, ...]
    is_bare: bool = True
    is_beginning: bool = False
    whole_start: bool = False
    whole_end: bool = False
    parts: bool = False
    begins: bool = False
    ends: bool = False
    joined: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Everything that has to be in a turn.

    Args:
        without: terms that must not be in it.
        clauses: of all terms, the rarest first, by the look of them.
    """

    terms: tuple[Term, ...]
    without: tuple[Term, ...]
    filters: Filters
    clauses: tuple[Clause, ...]

    @property
    def in_reasoning(self) -> bool:
        return self.filters.where == "reasoning"

    @property
    def in_title(self) -> bool:
        return self.filters.where == "title"

    @property
    def conditions(self) -> list[list[int]]:
        """For an index: one of the lexemes of each must be there, and of the `MAX_CONDITIONS`th all.

        The index looks for each condition only where those before it fit. Of a single one it would look up every lexeme
        at each place of the rarest, and the most common have millions of places.
        """
        some = [sorted(clause.lexemes) for clause in self.clauses[: MAX_CONDITIONS - 1]]
        others = self.clauses[MAX_CONDITIONS - 1 : MAX_LEXEMES]
        rest = sorted({lexeme for clause in others if len(clause.lexemes) == 1 for lexeme in clause.lexemes})
        return [*some, rest] if rest else some


def parse_query(query: str) -> SearchQuery:
    """Read a query.

    Raises:
        NothingToFind: it has no word, sign or character to look for, and no filter that leaves anything out.
    """
    pieces, filters = read(query)
    terms = tuple(term for piece in pieces if not piece.without for term in _terms(piece))
    without = tuple(term for piece in pieces if piece.without for term in _terms(piece))
    if not terms and without and not filters.narrow:
        terms, without = tuple(term for piece in pieces for term in _terms(piece.literal())), ()
    if not terms and (not filters.narrow or filters.where != "text"):
        raise NothingToFind(
            "There is nothing to look for in this: it takes a word, a sign or a character, not only punctuation."
        )
    clauses = {clause: None for term in terms for clause in term.clauses}
    ordered = sorted(clauses, key=lambda clause: (len(clause.lexemes) > 1, -clause.says, min(clause.lexemes)))
    return SearchQuery(terms, without, filters, tuple(ordered))


def part_of_name(q: str) -> Term:
    """Return a filter of titles or names as a term, which is found as any part of them."""
    text = fold(q)
    return _term(text, strict=_has_accents(text), joined=True)


def _terms(piece: Piece) -> Iterator[Term]:
    for term in _folded_terms(piece):
        yield replace(term, written=piece.text)


def _folded_terms(piece: Piece) -> Iterator[Term]:
    text = fold(piece.text).strip()
    if not piece.is_phrase:
        text = _trimmed(text)
    kinds = kinds_of(text)
    if not text or (set(kinds) <= set("s ") and set(text.replace(" ", "")) <= _CLOSES_ALONE):
        return
    if "c" in kinds:
        yield _part_of_text(text, is_phrase=piece.is_phrase)
    elif piece.is_phrase or "s" in kinds:
        yield _exactly(text, is_phrase=piece.is_phrase)
    else:
        yield _word(text, is_beginning=piece.is_beginning)


def _trimmed(text: str) -> str:
    inner = text.lstrip(_OPENING).rstrip(_CLOSING)
    if (around := _IN_BRACKETS.fullmatch(inner)) is not None:
        inner = around[1].rstrip(_CLOSING)
    return inner if set(kinds_of(inner)) & set("wc") else text


def _part_of_text(text: str, *, is_phrase: bool) -> Term:
    plain = bare(text)
    kinds = kinds_of(plain)
    clauses = [_characters(pair) for pair in pairs_of(plain, kinds)]
    clauses += [_characters(each) for each, kind in zip(plain, kinds, strict=True) if kind == "c" and not clauses]
    for run in _WORDS.finditer(kinds):
        if run.start() > 0 and run.end() < len(plain):
            clauses.append(_whole_word(plain[run.start() : run.end()]))
    strict = _has_accents(text) or (is_phrase and bool(_KANA.search(text)))
    return _term(text, *clauses, *_signs(plain), strict=strict, exact_kana=is_phrase, joined="s" not in kinds)


def _exactly(text: str, *, is_phrase: bool) -> Term:
    plain = bare(text)
    kinds = kinds_of(plain)
    words = [_whole_word(plain[run.start() : run.end()]) for run in _WORDS.finditer(kinds)]
    return _term(
        text,
        *words,
        *_signs(plain),
        strict=_has_accents(text),
        whole_start=kinds[0] == "w",
        whole_end=kinds[-1] == "w",
        parts=not is_phrase,
        joined=is_phrase and "s" not in kinds,
    )


def _word(text: str, *, is_beginning: bool) -> Term:
    plain = bare(text)
    long = len(plain) > SHORT_CHARACTERS
    clauses = []
    if long or not is_beginning:
        may_end = len(plain) >= END_CHARACTERS and not is_beginning
        one_of = {beginning(plain) if long else short_word(plain), *([end(plain)] if may_end else ())}
        clauses.append(Clause(frozenset(one_of), _says(plain)))
    return _term(
        text,
        *clauses,
        strict=_has_accents(text),
        whole_start=True,
        whole_end=not is_beginning,
        parts=True,
        is_beginning=is_beginning,
        begins=long and not is_beginning,
        ends=len(plain) >= END_CHARACTERS and not is_beginning,
        joined=True,
    )


def _term(text: str, *clauses: Clause, strict: bool, exact_kana: bool = False, **how: bool) -> Term:
    if strict:
        pattern = r"\s+".join(_spelled(word, exact_kana=exact_kana) for word in text.split())
    else:
        pattern = r"\s+".join(map(re.escape, bare(text).split()))
    return Term(text, re.compile(pattern), clauses, is_bare=not strict, **how)


def _spelled(word: str, *, exact_kana: bool) -> str:
    """Return a pattern in which an accent that is asked for has to be there; others may."""
    return "".join(_spelling(each, exact_kana=exact_kana) for each in word)


def _spelling(character: str, *, exact_kana: bool) -> str:
    plain = bare(character)
    is_kana = bool(_KANA.match(character))
    if (is_kana and exact_kana) or (plain != character and not is_kana):
        return re.escape(character)
    choices = spellings(plain)
    return re.escape(plain) if len(choices) == 1 else f"[{re.escape(choices)}]"


def _has_accents(text: str) -> bool:
    return any(bare(each) != each and not _KANA.match(each) for each in text)


def _whole_word(word: str) -> Clause:
    return Clause(frozenset({beginning(word) if len(word) > SHORT_CHARACTERS else short_word(word)}), _says(word))


def _characters(one_or_two: str) -> Clause:
    return Clause(frozenset({characters(one_or_two)}), _says(one_or_two))


def _signs(text: str) -> Sequence[Clause]:
    return [_characters(sign) for sign in sorted(set(text)) if is_telling_sign(sign)]


def _says(text: str) -> int:
    """Return about how much a text says: the more, the rarer."""
    return sum(_LETTERS_AN_IDEOGRAPH if each >= _FIRST_IDEOGRAPH else 1 for each in text[: BEGINNINGS[-1]])
