"""The marks that ChatGPT leaves in its answers where it cites: links in their place, and the sources as items.

A mark is a code between two private characters, or, in older files, `【4†source】`. What it stands for is in the
message's metadata, where that was kept; without it a mark says nothing to anybody.
"""

import re
from collections.abc import Mapping
from typing import Any

from chatkeep.chat.items import JsonItem
from chatkeep.transfer.formats.fields import list_in, mapping_in, text_in
from chatkeep.transfer.formats.parts import items_as, json_in

BEGIN, BETWEEN, END = "\ue200", "\ue202", "\ue201"
REFERENCES, CITATIONS = "content_references", "citations"
# A longer one is none: a file could have every source copy the whole answer.
MAX_MARK_CHARACTERS = 1_000

_MARK = re.compile(f"{BEGIN}[^{BEGIN}{END}]*{END}|【\\d[^†【】]*†[^【】]*】")


def without_marks(words: str, metadata: Mapping[str, Any]) -> str:
    """Return an answer with links, or nothing, in the place of its marks."""
    if BEGIN not in words and "†" not in words:
        return words
    links = _links(words, metadata)
    return _MARK.sub(lambda mark: links.get(mark[0]) or _in_words(mark[0]), words)


def citations_of(metadata: Mapping[str, Any]) -> list[JsonItem]:
    return items_as("citation", (*list_in(metadata, REFERENCES), *list_in(metadata, CITATIONS)))


def _links(words: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the words that stand for each mark."""
    found: dict[str, str] = {}
    for each in list_in(metadata, CITATIONS):
        start, end = (each.get(name) if isinstance(each, dict) else None for name in ("start_ix", "end_ix"))
        if type(start) is int and type(end) is int and 0 <= start < end <= start + MAX_MARK_CHARACTERS:
            found[words[start:end]] = _link(mapping_in(each, "metadata"))
    for each in list_in(metadata, REFERENCES):
        if isinstance(each, dict) and (mark := text_in(each, "matched_text")):
            found[mark] = text_in(each, "alt") or "".join(map(_link, list_in(each, "items"))) or _link(each)
    return found


def _link(source: Any) -> str:
    """Return a link as Markdown has it."""
    source = source if isinstance(source, dict) else {}
    url = text_in(source, "url") or ""
    title = " ".join((text_in(source, "title") or url).split())
    return f"([{title}]({url}))" if url and not {"(", ")", " "} & set(url) else ""


def _in_words(mark: str) -> str:
    """Return a mark's own words: the name of a thing, or the words of a link."""
    kind, _, rest = mark.strip(BEGIN + END).partition(BETWEEN)
    if kind == "entity" and isinstance(told := json_in(rest), list) and len(told) > 1:
        return told[1] if isinstance(told[1], str) else ""
    return rest.partition(BETWEEN)[0] if kind == "url" else ""
