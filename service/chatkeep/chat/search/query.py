"""A query: what somebody asks for, as terms that a text can be held against, and as lexemes that find it.

A term is a word, several without white space between them (`tea-pot`, `c++`), or a phrase in quotation marks. All of
them must be in the same turn, each in its prompt or in its reply.

- A word is found as a whole word. What separates words does not matter: `tea-pot` finds `tea pot` and `tea/pot`.
- A phrase is found as it is written, but for the amount of white space.
- A term with a character of a script like Chinese, Japanese or Korean is found as any part of a text.

With the word `in:reasoning` anywhere in the query, the terms are looked for in what the model thought before it
answered, and nowhere else. In quotation marks it is a phrase like any other.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chatkeep.chat.search.casefold import casefold
from chatkeep.chat.search.lexemes import LONG_MARK, MAX_WORD_CHARACTERS, kinds_of, pairs_of, unsegmented_characters
from chatkeep.errors import NothingToFind

# As many as narrow a search down; what is found is held against the texts anyway.
MAX_LEXEMES = 24
MAX_CONDITIONS = 3
IN_REASONING = "in:reasoning"
# From here on a character says as much as several letters.
_FIRST_IDEOGRAPH = "\u3400"
_LETTERS_AN_IDEOGRAPH = 3

_QUOTES = '"“”„\uff02'
_TERMS = re.compile(f"[{_QUOTES}](?P<phrase>[^{_QUOTES}]*)[{_QUOTES}]?|(?P<words>[^\\s{_QUOTES}]+)")
_UNITS = re.compile("w+|s")
_WORDS = re.compile("w+")


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that has to be in a text.

    Args:
        flat: the pattern is of a text in which whatever separates words is a space.
        whole_start, whole_end: no letter or digit may be beside it.
        lexemes: of every text that the term is in.
        beginning: of a lexeme of every such text, where nothing more is known.
    """

    pattern: re.Pattern[str]
    flat: bool
    whole_start: bool
    whole_end: bool
    lexemes: frozenset[str]
    beginning: str | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Everything that has to be in a turn.

    Args:
        needles: each is a `tsquery` that some part of the turn's lexemes fits; the rarest first, by the look of them.
        by_beginnings: the index can only look for everything that begins with one character.
        in_reasoning: they are in the turn's reasoning, instead of in its prompt or reply.
    """

    terms: tuple[Term, ...]
    needles: tuple[str, ...]
    by_beginnings: bool
    in_reasoning: bool = False

    @property
    def tsquery(self) -> str:
        """A query that fits the lexemes of a turn in one part."""
        return " & ".join(self.needles)

    @property
    def conditions(self) -> list[str]:
        """For an index: at most `MAX_CONDITIONS` queries that one part of every turn that fits, fits all of.

        A turn with one part has all lexemes in it. Of one with more, the part with the first is taken: the only one
        where no beginning is asked for.

        The index looks for each condition only where those before it fit. Of a single one it would look up every lexeme
        at each place of the rarest, and the most common have millions of places.
        """
        first, *others = self.needles
        rest = [" & ".join(each) for each in (others[:1], others[1:]) if each]
        return [first, *(f"{each} | {_quoted(LONG_MARK)}" for each in rest)]


def parse_query(query: str) -> SearchQuery:
    """Read a query.

    Raises:
        NothingToFind: it has no word, symbol or character to look for.
    """
    found = [_found_term(each) for each in _TERMS.finditer(query)]
    in_reasoning = any(text == IN_REASONING and not is_phrase for text, is_phrase in found)
    terms = tuple(_terms(each for each in found if each != (IN_REASONING, False)))
    if not terms:
        raise NothingToFind(
            "There is nothing to look for in this: it takes a word, a symbol or a character, not only punctuation."
        )
    lexemes = sorted({each for term in terms for each in term.lexemes}, key=lambda each: (-_letters(each), each))
    if lexemes:
        return SearchQuery(terms, tuple(_quoted(each) for each in lexemes[:MAX_LEXEMES]), False, in_reasoning)
    beginnings = dict.fromkeys(term.beginning for term in terms if term.beginning)
    return SearchQuery(terms, tuple(f"{_quoted(each)}:*" for each in beginnings), True, in_reasoning)


def _found_term(found: re.Match[str]) -> tuple[str, bool]:
    """Return a term's text, folded, and whether it is a phrase."""
    phrase = found["phrase"]
    return casefold(found["words"] if phrase is None else phrase).strip(), phrase is not None


def _terms(found: Iterable[tuple[str, bool]]) -> Iterator[Term]:
    for text, is_phrase in found:
        kinds = kinds_of(text)
        if "c" in kinds:
            yield _part_of_text(text, kinds)
        elif "w" in kinds or "s" in kinds:
            yield _phrase(text, kinds) if is_phrase else _words(text, kinds)


def _part_of_text(text: str, kinds: str) -> Term:
    inner = (run for run in _WORDS.finditer(kinds) if run.start() > 0 and run.end() < len(text))
    lexemes = {
        *pairs_of(text, kinds),
        *unsegmented_characters(text, kinds),
        *(text[run.start() : run.end()][:MAX_WORD_CHARACTERS] for run in inner),
        *_symbols(text, kinds),
    }
    # With nothing beside it, the one character of its kind is the last.
    beginning = None if lexemes else text[-1]
    return Term(_spaced(text), False, False, False, frozenset(lexemes), beginning)


def _phrase(text: str, kinds: str) -> Term:
    return Term(_spaced(text), False, kinds[0] == "w", kinds[-1] == "w", _whole(text, kinds))


def _words(text: str, kinds: str) -> Term:
    units = list(_UNITS.finditer(kinds))
    pattern = ""
    for number, unit in enumerate(units):
        apart = number > 0 and units[number - 1].end() < unit.start()
        pattern += (" +" if apart else "") + re.escape(text[unit.start() : unit.end()])
    whole_start, whole_end = kinds[units[0].start()] == "w", kinds[units[-1].start()] == "w"
    return Term(re.compile(pattern), " +" in pattern, whole_start, whole_end, _whole(text, kinds))


def _whole(text: str, kinds: str) -> frozenset[str]:
    words = (text[run.start() : run.end()][:MAX_WORD_CHARACTERS] for run in _WORDS.finditer(kinds))
    return frozenset({*words, *_symbols(text, kinds)})


def _symbols(text: str, kinds: str) -> Iterator[str]:
    return (character for character, kind in zip(text, kinds, strict=True) if kind == "s")


def _spaced(text: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, text.split())))


def _letters(lexeme: str) -> int:
    """Return about how much a lexeme says: the more, the rarer."""
    return sum(_LETTERS_AN_IDEOGRAPH if each >= _FIRST_IDEOGRAPH else 1 for each in lexeme)


def _quoted(lexeme: str) -> str:
    """Return a lexeme as `tsquery` reads it: whatever it holds, it is one."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
