"""Found turns in the order of how much they say what was asked for, in place of that of time."""

import math
from collections.abc import Sequence
from itertools import islice

from chatkeep.chat.search.matching import to_searched_texts
from chatkeep.chat.search.query import SearchQuery

# So many of the newest that fit are compared.
MAX_RANKED = 500
MAX_TIMES = 20


def relevance(asked: SearchQuery, texts: Sequence[str | None]) -> int:
    """Return how much texts say what is asked for, as a whole number: the more, the better.

    A term counts once for the first time and less for each more, twice where it is a whole word, less in a long text;
    all terms in one text count more than some in each.
    """
    return max((_of_text(asked, (text,)) for text in texts if text), default=0) + _of_text(asked, texts)


def _of_text(asked: SearchQuery, texts: Sequence[str | None]) -> int:
    searched = to_searched_texts(texts)
    characters = sum(len(text.folded) for text in searched)
    score = 0.0
    for term in asked.terms:
        times = sum(len(list(islice(text.spans_anyhow(term), MAX_TIMES))) for text in searched)
        if times:
            score += 1 + math.log(times) + any(text.has_whole(term) for text in searched)
    return int(1000 * score / (1 + math.log10(1 + characters / 100)))
