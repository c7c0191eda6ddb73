"""Snippets of found turns: their own words around the first match, safe to put into a page."""

import html
from collections.abc import Sequence
from itertools import islice

from chatkeep.chat.search.matching import SearchedText, Span, texts_asked_for, to_searched_texts
from chatkeep.chat.search.query import SearchQuery
from chatkeep.folding.folding import Cluster, clusters

LEAD_CHARACTERS = 60
SNIPPET_CHARACTERS = 220
# Of a text that says the same thing over and over, enough for one snippet.
MAX_SPANS = 200


def snippet(asked: SearchQuery, *texts: str | None) -> str:
    """Return at most `SNIPPET_CHARACTERS` characters of the text that has most of what was asked for.

    Matches are between `<mark>` and `</mark>`. Everything else is escaped: what users and models write is never
    markup on the searcher's page.
    """
    searched = to_searched_texts(texts_asked_for(asked, texts)) or to_searched_texts(texts)
    if not searched:
        return ""
    text = max(searched, key=lambda text: sum(text.has(term) for term in asked.terms))
    first = min((next(text.spans_anyhow(term), (len(text.folded), 0))[0] for term in asked.terms), default=0)
    return _shown(text, asked, first)


def _shown(text: SearchedText, asked: SearchQuery, first: int) -> str:
    around = list(clusters(text.original, first - 4 * LEAD_CHARACTERS, first + 4 * SNIPPET_CHARACTERS))
    at = next((n for n, each in enumerate(around) if each.end > first), 0)
    begin = _back(around, at)
    end = begin
    left = SNIPPET_CHARACTERS
    while end < len(around) and len(around[end].text) <= left:
        left -= len(around[end].text)
        end += 1
    chosen = around[begin:end]
    spans = _spans(text, asked, chosen)
    cut_before = bool(chosen) and chosen[0].start > 0
    cut_after = bool(chosen) and chosen[-1].end < len(text.folded)
    return ("…" if cut_before else "") + _marked(chosen, spans) + ("…" if cut_after else "")


def _back(around: Sequence[Cluster], at: int) -> int:
    """Return where to begin so that something is seen before the match, at the beginning of a word if there is one."""
    begin, left = at, LEAD_CHARACTERS
    while begin > 0 and len(around[begin - 1].text) <= left:
        begin -= 1
        left -= len(around[begin].text)
    if begin > 0:
        for number in range(begin, at):
            if around[number].text.isspace():
                return number + 1
    return begin


def _spans(text: SearchedText, asked: SearchQuery, chosen: Sequence[Cluster]) -> list[Span]:
    start, end = (chosen[0].start, chosen[-1].end) if chosen else (0, 0)
    found: list[Span] = []
    for term in asked.terms:
        found += islice(text.spans_anyhow(term, start), MAX_SPANS)
    return sorted(span for span in found if span[0] < end)


def _marked(chosen: Sequence[Cluster], spans: Sequence[Span]) -> str:
    shown: list[str] = []
    inside = False
    for cluster in chosen:
        marked = any(start < cluster.end and cluster.start < end for start, end in spans)
        if marked != inside:
            shown.append("<mark>" if marked else "</mark>")
            inside = marked
        shown.append(html.escape(cluster.text))
    return "".join(shown) + ("</mark>" if inside else "")
