"""Marks that programs leave in answers where they cite: links where the source is known, and nothing otherwise.

ChatGPT's are in `chatkeep.transfer.formats.chatgpt_citations`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from chatkeep.transfer.formats.fields import text_in

# DeepSeek's `[citation:3]`, Gemini's `[cite_start]` and `[cite: 1, 2]`, and Grok's tags around the number of a source.
# Nothing is looked at twice, however it goes on.
_MARK = re.compile(
    r"\[citation:(?P<number>\d{1,4})\]|\[cite_start\]|\[/?cite(?:: ?[\d, ]{1,200})?\]"
    r"|<grok:render[^<>]{0,500}>\s{0,20}(?:<argument[^<>]{0,100}>[^<>]{0,500}</argument>\s{0,20}){0,9}</grok:render>"
)
_POSSIBLE = ("[cit", "<grok:render")


def without_citation_marks(words: str, sources: Iterable[Any] = ()) -> str:
    """Return an answer with links, or nothing, in the place of its marks.

    Args:
        sources: as the message lists them; a mark's number is a source's `cite_index`, or its place from one on.
    """
    if not any(mark in words for mark in _POSSIBLE):
        return words
    links = dict(_numbered(sources))
    return _MARK.sub(lambda mark: links.get(mark["number"] or "", ""), words)


def _numbered(sources: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for place, source in enumerate(sources, start=1):
        if isinstance(source, Mapping) and (link := _link(source)):
            own = source.get("cite_index")
            yield str(own if type(own) is int else place), link


def _link(source: Mapping[str, Any]) -> str:
    url = text_in(source, "url") or ""
    title = " ".join((text_in(source, "title") or url).split()).replace("[", "(").replace("]", ")")
    return f"([{title}]({url}))" if url and not {"(", ")", " "} & set(url) else ""
