"""Texts held against a query: what decides, whatever an index says."""

import re
from collections.abc import Iterable, Iterator

from chatkeep.chat.search.casefold import casefold
from chatkeep.chat.search.lexemes import flatten, kind_of
from chatkeep.chat.search.query import SearchQuery, Term

Span = tuple[int, int]


class SearchedText:
    """A text, folded."""

    def __init__(self, text: str) -> None:
        self.original = text
        self.folded = casefold(text)
        self._flat: str | None = None

    def spans(self, term: Term, start: int = 0) -> Iterator[Span]:
        """Yield where in the folded text, from `start` on, the term is; spans may overlap."""
        text = self._flattened() if term.flat else self.folded
        found = term.pattern.search(text, start)
        while found:
            if self._is_whole(term, found):
                yield found.span()
            found = term.pattern.search(text, found.start() + 1)

    def has(self, term: Term) -> bool:
        return next(self.spans(term), None) is not None

    def _is_whole(self, term: Term, found: re.Match[str]) -> bool:
        start, end = found.span()
        if term.whole_start and start > 0 and kind_of(self.folded[start - 1]) == "w":
            return False
        return not (term.whole_end and end < len(self.folded) and kind_of(self.folded[end]) == "w")

    def _flattened(self) -> str:
        if self._flat is None:
            self._flat = flatten(self.folded)
        return self._flat


def to_searched_texts(texts: Iterable[str | None]) -> tuple[SearchedText, ...]:
    return tuple(SearchedText(text) for text in texts if text)


def matches(asked: SearchQuery, *texts: str | None) -> bool:
    """Tell whether everything that is asked for is in some of the texts."""
    searched = to_searched_texts(texts)
    return all(any(text.has(term) for text in searched) for term in asked.terms)
