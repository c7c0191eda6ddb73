"""The documents as a test meets them: their blocks of code, what they name in a line, their links and headings."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
SETTINGS_FILE = ".env.example"
_HTML_LINK = re.compile(r'\b(?:src|href)="([^"]+)"')
_HTML_CODE = re.compile(r"<code>([^<]+)</code>")


@dataclass(frozen=True)
class Block:
    """A block of code: what it says, and where that is."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Mention:
    """Something that a document names between backticks, or links to."""

    document: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Document:
    """One document: `name` is its path from the repository's root."""

    name: str
    text: str
    blocks: tuple[Block, ...]
    code: tuple[Mention, ...]
    links: tuple[Mention, ...]
    anchors: frozenset[str]


def names() -> list[str]:
    """Return the documents' names: the README, and every other page in a folder that is not the tests' own."""
    folders = [each for each in ROOT.iterdir() if each.is_dir() and each.name != "tests" and each.name[0] != "."]
    return ["README.md", *sorted(str(file.relative_to(ROOT)) for each in folders for file in each.rglob("*.md"))]


@cache
def read(name: str) -> Document:
    text = (ROOT / name).read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return Document(
        name,
        text,
        tuple(_blocks(name, tokens)),
        tuple(_mentions(name, tokens, _code_of)),
        tuple(_mentions(name, tokens, _links_of)),
        frozenset(_anchors(tokens)),
    )


def every() -> list[Document]:
    return [read(name) for name in names()]


def block_with(document: str, holds: str) -> Block:
    """Return the one block of `document` that holds this text.

    Raises:
        LookupError: there is none, or more than one.
    """
    found = [each for each in read(document).blocks if holds in each.text]
    if len(found) != 1:
        places = ", ".join(each.place for each in found) or "none"
        raise LookupError(
            f"{document} should have exactly one block of code with {holds!r} in it, and has: {places}. Where the "
            "document was rewritten on purpose, change the test's @runs(...) to words that the new block has."
        )
    return found[0]


def _blocks(name: str, tokens: list[Token]) -> Iterator[Block]:
    for token in tokens:
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            language = token.info.split()[0] if token.info.split() else ""
            yield Block(name, token.map[0] + 1, language, token.content)


def _mentions(name: str, tokens: list[Token], found_in: Callable[[Token], Iterator[str]]) -> Iterator[Mention]:
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        for each in (token, *(token.children or ())):
            for text in found_in(each):
                yield Mention(name, line, text)


def _code_of(token: Token) -> Iterator[str]:
    if token.type == "code_inline":
        yield " ".join(token.content.split())
    elif token.type in ("html_block", "html_inline"):
        yield from _HTML_CODE.findall(token.content)


def _links_of(token: Token) -> Iterator[str]:
    for attribute in ("href", "src"):
        if isinstance(value := token.attrs.get(attribute), str):
            yield value
    if token.type in ("html_block", "html_inline"):
        yield from _HTML_LINK.findall(token.content)


def _anchors(tokens: list[Token]) -> Iterator[str]:
    """Yield the headings' names as GitHub makes them; of two that are the same, the second has a number."""
    taken: dict[str, int] = {}
    for opened, inline in pairwise(tokens):
        if opened.type == "heading_open":
            plain = "".join(each.content for each in inline.children or () if each.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            count = taken[slug] = taken.get(slug, -1) + 1
            yield f"{slug}-{count}" if count else slug
