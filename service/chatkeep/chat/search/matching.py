"""Texts held against a query: what decides, whatever an index says."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

from chatkeep.chat.search.lexemes import COMPOUND_CHARACTERS
from chatkeep.chat.search.query import SearchQuery, Term
from chatkeep.chat.search.words import joined, kind_of, words_of
from chatkeep.folding.folding import MARK, bare, marked

Span = tuple[int, int]
# A word of digits and these letters, so long that nobody made it up, is known by its beginning.
MAX_SPANS = 20
_CHECKSUM = re.compile("[0-9a-f]{12,}")


class SearchedText:
    """A text, folded."""

    def __init__(self, text: str) -> None:
        self.original = text
        self._marked = marked(text)

    @cached_property
    def folded(self) -> str:
        return self._marked.replace(MARK, "")

    @cached_property
    def _bare(self) -> str:
        return bare(self.folded)

    @cached_property
    def _parts(self) -> frozenset[int]:
        """Where parts of words begin."""
        return frozenset(word.start + part for word in words_of(self._marked) for part in word.parts)

    @cached_property
    def joined(self) -> "JoinedText | None":
        other = joined(self._marked)
        return None if other is None else JoinedText(self, other)

    def spans(self, term: Term, start: int = 0) -> Iterator[Span]:
        """Yield where in the folded text, from `start` on, the term is; spans may overlap."""
        text = self._bare if term.is_bare else self.folded
        found = term.pattern.search(text, start)
        while found:
            if self._fits(term, *found.span()):
                yield found.span()
            found = term.pattern.search(text, found.start() + 1)

    def spans_anyhow(self, term: Term, start: int = 0) -> Iterator[Span]:
        """Yield the same and, where there are none, those that go over what divides a word."""
        some = False
        for span in self.spans(term, start):
            some = True
            yield span
        if not some and term.joined and self.joined is not None:
            yield from self.joined.spans_of_original(term, start)

    def has(self, term: Term) -> bool:
        return next(self.spans_anyhow(term), None) is not None

    def has_whole(self, term: Term) -> bool:
        """Tell whether a term is there with no letter or digit beside it."""
        return any(self._is_apart(*span) for span in islice(self.spans(term), MAX_SPANS))

    def _is_apart(self, start: int, end: int) -> bool:
        text = self.folded
        return (start == 0 or kind_of(text[start - 1]) != "w") and (end == len(text) or kind_of(text[end]) != "w")

    def _fits(self, term: Term, start: int, end: int) -> bool:
        if not term.whole_start and not term.whole_end:
            return True
        text = self.folded
        before = not term.whole_start or start == 0 or kind_of(text[start - 1]) != "w"
        after = not term.whole_end or end == len(text) or kind_of(text[end]) != "w"
        if before and after:
            return True
        if not term.parts:
            return False
        before = before or start in self._parts
        if before and (after or end in self._parts or (term.begins and self._goes_on(start, end))):
            return True
        return term.ends and after and end - self._start_of(end) >= COMPOUND_CHARACTERS

    def _goes_on(self, start: int, end: int) -> bool:
        """Tell whether a word that is longer begins so: a longer number does not."""
        text = self.folded
        if not (text[end - 1].isdigit() and text[end].isdigit()):
            return True
        found = _CHECKSUM.match(text, start)
        return found is not None and (found.end() == len(text) or kind_of(text[found.end()]) != "w")

    def _start_of(self, end: int) -> int:
        start = end
        while start > 0 and kind_of(self.folded[start - 1]) == "w":
            start -= 1
        return start


class JoinedText(SearchedText):
    """A text without what divides words, and the way back."""

    def __init__(self, text: SearchedText, without: str) -> None:
        self.original = text.original
        self._marked = without
        self._text = text

    @cached_property
    def _places(self) -> Sequence[int]:
        """Of each character, where it is in the text."""
        places, at = [], 0
        for character in self.folded:
            at = self._text.folded.index(character, at) + 1
            places.append(at - 1)
        return places

    def spans_of_original(self, term: Term, start: int) -> Iterator[Span]:
        for first, last in self.spans(term):
            if self._places[first] >= start:
                yield self._places[first], self._places[last - 1] + 1


def to_searched_texts(texts: Iterable[str | None]) -> tuple[SearchedText, ...]:
    return tuple(SearchedText(text) for text in texts if text)


def matches(asked: SearchQuery, *texts: str | None) -> bool:
    """Tell whether everything that is asked for is in some of the texts, and nothing that is not.

    Args:
        texts: the prompt first, where it is not about one kind of text alone.
    """
    searched = to_searched_texts(texts_asked_for(asked, texts))
    if not all(any(text.has(term) for text in searched) for term in asked.terms):
        return False
    return not asked.without or not any(text.has(term) for text in to_searched_texts(texts) for term in asked.without)


def texts_asked_for(asked: SearchQuery, texts: Sequence[str | None]) -> Sequence[str | None]:
    """Return those of a turn's texts that are to say it: of whoever is asked for."""
    if asked.filters.where != "text" or asked.filters.speaker is None:
        return texts
    return texts[:1] if asked.filters.speaker == "me" else texts[1:]
