"""Markdown as HTML that may stand in a page: rendered, coloured, and then sanitised whatever it was made from."""

import re
from collections.abc import Iterable
from contextlib import suppress

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from chatkeep.prose import formulas
from chatkeep.prose.formulas import MAX_CHARACTERS_OF_REPLY, formula_html, source_html
from chatkeep.prose.markdown_rules import CLOSING, add_rules

# Text that is longer, or has more parts, is shown as it is: what one reply costs the process has a bound. Of nothing
# but marks, text of this length took more than a second; real replies stay below these numbers of parts.
MAX_MARKDOWN_CHARACTERS = 60_000
MAX_LINES = 5_000
MAX_BLOCK_TOKENS = 10_000
MAX_INLINE_STEPS = 12_000
ANGLE_STEPS = 8  # an address in angle brackets is taken apart, encoded and put together
MAX_HIGHLIGHTED_CHARACTERS = 6_000  # of one block; of a whole reply, twice that
MIN_HEADING_LEVEL = 3  # the page's title and the turns come above

# Lexers are regular expressions: the rarer ones are less well tried, and on text that was made for it even the usual
# ones take time that grows with its square.
_LANGUAGES = """
bash c c++ console cpp cs csharp css diff dockerfile go html http ini java javascript js json jsx kotlin lua make
makefile markdown md nginx perl php postgresql powershell py python python3 r rb ruby rs rust scala scss sh shell sql
swift toml ts tsx typescript xml yaml yml zsh
"""
LANGUAGES = frozenset(_LANGUAGES.split())
_LANGUAGE = re.compile(r"[\w+#-]+")  # of “python:app.py” or “python title="app.py"” the first word
MAX_NAME_CHARACTERS = 60  # of a block of code
_TAGS = "p br strong em s sub sup a ul ol li blockquote pre code span h3 h4 h5 h6 hr table thead tbody tr th td div"
_CLASSES = frozenset(name for name in STANDARD_TYPES.values() if name)
_formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


def render(text: str) -> str:
    """Return Markdown as sanitised HTML.

    No script, no style, no form, and nothing that is loaded: an image in a model's reply would tell its server
    whatever the model was talked into writing into the address. Images are links.
    """
    return nh3.clean(
        _html_of(text),
        tags={*_TAGS.split(), *formulas.ELEMENTS},
        attributes={
            **{name: set(formulas.ATTRIBUTES) for name in formulas.ELEMENTS},
            "a": {"href", "title"},
            "ol": {"start"},
            "pre": {"data-language", "tabindex"},
            "div": {"tabindex"},
            "span": {"tabindex"},
        },
        allowed_classes={
            "span": {*_CLASSES, "scroll", "formula"},
            "code": {"tex"},
            "li": {"task"},
            "div": {"plain", "scroll"},
            "th": {"left", "center", "right"},
            "td": {"left", "center", "right"},
        },
        attribute_filter=_kept_attribute,
        url_schemes={"http", "https", "mailto"},
        # The page that is opened must not reach back, nor learn where it was opened from.
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _html_of(text: str) -> str:
    if len(text) <= MAX_MARKDOWN_CHARACTERS and text.count("\n") <= MAX_LINES:
        with suppress(_TooManyParts):
            return _markdown.render(text)
    return f'<div class="plain">{escapeHtml(text)}</div>'


class _TooManyParts(Exception):
    """The text was made to cost more than it is worth, or is no Markdown."""


class _Tokens(list[Token]):
    """The blocks of a text, as many as there may be."""

    def append(self, token: Token) -> None:
        if len(self) >= MAX_BLOCK_TOKENS:
            raise _TooManyParts
        super().append(token)


def _bound_blocks(state: StateCore) -> None:
    state.tokens = _Tokens()
    state.env["inline_steps"] = 0


def _bound_inline(state: StateInline, silent: bool) -> bool:  # noqa: ARG001  a rule's parameters
    """Count a step through a text: one for each mark, also where brackets are looked at again and again."""
    state.env["inline_steps"] += ANGLE_STEPS if state.src[state.pos] == "<" else 1
    if state.env["inline_steps"] > MAX_INLINE_STEPS:
        raise _TooManyParts
    return False


def _kept_attribute(tag: str, name: str, value: str) -> str | None:
    """Drop relative addresses: in a reply they can only mean this service, where a click should do nothing."""
    if (tag, name) == ("a", "href") and not value.lower().startswith(("http://", "https://", "mailto:")):
        return None
    return formulas.kept_attribute(name, value) if tag in formulas.ELEMENTS else value


def _fit_into_page(state: StateCore) -> None:
    """Put HTML of our own in place of what would not do on a page: wide things scroll, and images are links."""
    ranks = sorted({token.tag for token in state.tokens if token.type == "heading_open"})
    budget = _Budget(2 * MAX_HIGHLIGHTED_CHARACTERS)
    for_formulas = _Budget(MAX_CHARACTERS_OF_REPLY)
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            # Below the page's own, without a gap.
            token.tag = f"h{min(6, MIN_HEADING_LEVEL + ranks.index(token.tag))}"
        elif token.type in ("fence", "code_block"):
            _replace(token, _code_block(token.info, token.content, budget))
        elif token.type == "formula_block":
            _replace(token, f"<p>{_formula(token, for_formulas)}</p>\n")
        elif token.type == "table_open":
            _replace(token, '<div class="scroll" tabindex="0"><table>')
        elif token.type == "table_close":
            _replace(token, "</table></div>\n")
        elif token.type in ("th_open", "td_open") and "style" in token.attrs:
            token.attrs["class"] = str(token.attrs.pop("style")).rpartition(":")[2]
        _fit_inline(token.children or (), for_formulas)


def _fit_inline(tokens: Iterable[Token], for_formulas: "_Budget") -> None:
    for token in tokens:
        if token.type == "image":
            _replace(token, _image_as_link(token))
        elif token.type == "formula":
            _replace(token, _formula(token, for_formulas))


def _formula(token: Token, budget: "_Budget") -> str:
    source = f"{token.markup}{token.content}{CLOSING.get(token.markup, '')}"
    if not budget.allows(token.content):
        return source_html(source)
    return formula_html(token.content, display=token.markup in ("$$", "\\[", ""), source=source)


class _Budget:
    """How much more of a reply's code is coloured, or of its formulas typeset."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def allows(self, text: str) -> bool:
        fits = len(text) <= min(self._left, MAX_HIGHLIGHTED_CHARACTERS)
        self._left -= len(text) if fits else 0
        return fits


def _replace(token: Token, html: str) -> None:
    token.type = "html_inline" if token.type in ("image", "formula") else "html_block"
    token.content = html


def _code_block(info: str, code: str, budget: _Budget) -> str:
    name = info.strip()[:MAX_NAME_CHARACTERS]
    language = _LANGUAGE.match(name.lower())
    coloured = escapeHtml(code)
    if language and language[0] in LANGUAGES and budget.allows(code):
        # The first line break is the code's own, and must not be taken away.
        coloured = highlight(code, get_lexer_by_name(language[0], stripnl=False), _formatter)
    named = f' data-language="{escapeHtml(name)}"' if name else ""
    return f'<pre{named} tabindex="0"><code>{coloured}</code></pre>\n'


def _image_as_link(token: Token) -> str:
    address = str(token.attrs.get("src", ""))
    return f'<a href="{escapeHtml(address)}">{escapeHtml(token.content.strip() or address)}</a>'


def _make() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True})
    made.enable(["table", "strikethrough"])
    made.core.ruler.before("block", "bound_blocks", _bound_blocks)
    made.inline.ruler.before("text", "bound_inline", _bound_inline)
    add_rules(made)
    made.core.ruler.push("fit_into_page", _fit_into_page)
    return made


_markdown = _make()
