"""Documents that a model wrote beside its answer: fenced blocks under their titles, as text of the reply."""

import re
from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import text_in

_BACKTICKS = re.compile("`+")
_TITLES = ("title", "name", "path", "file_path", "filename")
_WORDS = ("content", "file_text", "code")
# Tools that write a document which their program shows: Claude.ai's artifacts and files.
TOOLS = {"artifacts", "create_file", "create_artifact"}


def document_text(document: Mapping[str, Any]) -> str | None:
    """Return a document as a fenced block under its title; None where it holds no words."""
    words = next((found for name in _WORDS if (found := text_in(document, name))), "").rstrip("\n")
    if not words:
        return None
    kind = (text_in(document, "language") or text_in(document, "type") or "document").rpartition("/")[2]
    kind = kind.rpartition(".")[2]
    language = "markdown" if kind == "document" or not kind.isalnum() else kind
    # Longer than any run of backticks in it, which would end it.
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(words)), default=0))
    title = " ".join(next((found for name in _TITLES if (found := text_in(document, name))), "").split())
    heading = f"**{title}**\n\n" if title else ""
    return f"{heading}{fence}{language}\n{words}\n{fence}"


def without_words(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a document beside its words, which are text of the reply."""
    words = next((name for name in _WORDS if text_in(document, name)), None)
    return {name: each for name, each in document.items() if name != words}
