"""HTML as text, as Gemini's activity has its answers: what tags say in Markdown, and nothing of the rest."""

import html
import re

# Nothing is looked at twice, however it goes on.
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
_HREF = re.compile(r'\bhref="([^"]*)"')
_BLANKS = re.compile(r"\n{3,}")
_OPENING = {"li": "\n- ", "br": "\n", "strong": "**", "b": "**", "em": "*", "i": "*", "pre": "\n```\n", "td": " "}
_OPENING |= {f"h{level}": "\n\n" + "#" * level + " " for level in range(1, 7)} | {"p": "\n\n", "tr": "\n", "div": "\n"}
_CLOSING = {"strong": "**", "b": "**", "em": "*", "i": "*", "pre": "\n```\n", "p": "\n\n", "div": "\n", "ul": "\n"}
_CLOSING |= {f"h{level}": "\n\n" for level in range(1, 7)} | {"ol": "\n", "table": "\n"}


def text_of_html(markup: str) -> str:
    """Return the text of a piece of HTML."""
    links: list[str] = []
    in_block = False

    def words(tag: re.Match[str]) -> str:
        nonlocal in_block
        is_end, name = bool(tag[1]), tag[2].lower()
        if name == "pre":
            in_block = not is_end
        if name == "code":
            return "" if in_block else "`"
        if name == "a":
            return _link(tag[3], links, is_end=is_end)
        return (_CLOSING if is_end else _OPENING).get(name, "")

    return _BLANKS.sub("\n\n", html.unescape(_TAG.sub(words, markup))).strip()


def _link(attributes: str, links: list[str], *, is_end: bool) -> str:
    if not is_end:
        found = _HREF.search(attributes)
        links.append(found[1] if found else "")
        return "[" if links[-1] else ""
    url = links.pop() if links else ""
    return f"]({url})" if url else ""
