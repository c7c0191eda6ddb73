"""A message's Markdown as a part of a larger document: it ends where the message ends, and has no heading of ours.

Threat: a code fence or a comment that a message leaves open takes the turns after it for its own, and a message that is
written like an export puts words into somebody's mouth.

Source: CommonMark 0.31.2, 4.3 (setext headings), 4.5 (fences), 4.6 (HTML blocks).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Headings of these ranks are the document's own.
OWN_RANKS = ("h1", "h2")
OWN_WORDS = ("user", "assistant", "system")
# Text that is longer is indented as a whole: what one message costs the process has a bound.
MAX_CHARACTERS = 200_000

_LINE_END = re.compile(r"\r\n?")
# Marks of quotations and lists, within which a block may stand.
_WITHIN = r"^((?:[ \t>]|[-+*][ \t]|\d{1,9}[.)][ \t])*)"
_ATX = re.compile(rf"{_WITHIN}(#{{1,2}})(?=[ \t]|$)")
_TAG = re.compile(rf"{_WITHIN}<(?=[A-Za-z/!?])(?!(?:https?|mailto):)", re.IGNORECASE)
# Anything that this is about. Most messages have none of it, and need no look at their blocks.
_SUSPICIOUS = re.compile(rf"{_WITHIN}(?:#|```|~~~|<|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)
# What a reader would overlook in front of a word.
_UNSEEN = re.compile(r"[\W_]+")

# HTML is text, as on the page: with it, blocks of code that only a look at it can tell would be none.
_blocks = MarkdownIt("commonmark", {"html": False}).disable(["inline", "text_join"])


def contained(text: str) -> str:
    """Return Markdown that shows a message, and after which anything may follow."""
    text = _LINE_END.sub("\n", text)
    if not _SUSPICIOUS.search(text):
        return text
    if len(text) > MAX_CHARACTERS:
        return as_code(text)
    lines = _without_tags(text.split("\n"))
    tokens = _blocks.parse("\n".join(lines))
    fence = _open_fence(tokens, lines)
    for heading, inline in _own_headings(tokens):
        _lower(lines, heading, inline)
    if fence is not None:
        lines[-1] = f"{lines[-1]}\n{fence}" if lines[-1] else fence
    lowered = "\n".join(lines)
    return as_code(text) if any(_own_headings(_blocks.parse(lowered))) else lowered


def one_line(text: str) -> str:
    """Return a text without the ends of its lines, for a place within a line."""
    return " ".join(text.split())


def as_code(text: str, language: str = "") -> str:
    """Return a text as a block of code, which nothing in it ends."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _without_tags(lines: list[str]) -> list[str]:
    """Have tags at the beginning of a line, which may begin a block of HTML, be text; those in code are left."""
    in_code: set[int] = set()
    for token in _blocks.parse("\n".join(lines)):
        if token.type in ("fence", "code_block") and token.map:
            in_code |= set(range(*token.map))
    return [line if number in in_code else _TAG.sub(r"\1\\<", line) for number, line in enumerate(lines)]


def _own_headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    """Yield the headings that would be the document's, each with its text."""
    for token, following in pairwise(tokens):
        is_heading = token.type == "heading_open" and token.map is not None
        if is_heading and (token.tag in OWN_RANKS or _reads_like_ours(following.content)):
            yield token, following


def _reads_like_ours(text: str) -> bool:
    word = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return word.startswith(OWN_WORDS)


def _lower(lines: list[str], heading: Token, inline: Token) -> None:
    """Have a heading be two ranks lower; one that reads like ours, or that is underlined, be a paragraph."""
    assert heading.map is not None  # noqa: S101  `_own_headings` has seen to it
    first, last = heading.map[0], heading.map[1] - 1
    if heading.markup in ("=", "-"):
        lines[last] = re.sub(r"[=-]", lambda found: "\\" + found[0], lines[last], count=1) + "\n"
    elif _reads_like_ours(inline.content):
        lines[first] = "\n" + lines[first].replace("#", "\\#", 1) + "\n"
    else:
        lines[first] = _ATX.sub(r"\1##\2", lines[first])


def _open_fence(tokens: Sequence[Token], lines: Sequence[str]) -> str | None:
    """Return the end of the last block of code, where the text ends within it."""
    last = tokens[-1] if tokens else None
    if last is None or last.type != "fence" or last.map is None:
        return None
    final = lines[last.map[1] - 1].strip(" \t")
    is_closed = last.map[1] - last.map[0] > 1 and set(final) == {last.markup[0]} and len(final) >= len(last.markup)
    return None if is_closed else last.markup
