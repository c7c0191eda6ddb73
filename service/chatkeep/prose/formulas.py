"""TeX as MathML, which browsers typeset themselves: no script, no font and no style is sent for it."""

import re
from collections.abc import Iterator
from html import unescape
from unicodedata import category
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import Converter
from markdown_it.common.utils import escapeHtml

# Of one formula, and of all in a reply: a character takes ten microseconds. What is beyond is shown as it was written.
MAX_CHARACTERS = 2_000
MAX_CHARACTERS_OF_REPLY = 10_000
MAX_DEPTH = 60

# A macro may grow without end when it is replaced; the others reach out of the formula.
_REFUSED = re.compile(r"\\(?:newcommand|renewcommand|providecommand|def|let|href|style|class|require)(?![a-zA-Z])")
# Environments that the converter does not know, by those that look the same.
_ENVIRONMENT = re.compile(r"\\(begin|end) *\{(\w+)\*?\}")
_SAME = {"aligned": "align*", "align": "align*", "eqnarray": "align*", "multline": "align*", "split": "split"}
_CENTERED = {"gather", "gathered"}
_UPRIGHT = re.compile(r"\\mathrm *\{([A-Za-z])\}")
_WITHOUT_MEANING = re.compile(r"\\(?:nonumber|notag|label\{[^{}]*\})")

_ELEMENTS = """
math mrow mi mn mo mtext mspace msup msub msubsup munder mover munderover mfrac msqrt mroot mtable mtr mtd mpadded
mphantom menclose mstyle mmultiscripts
"""
_NOT_OPERATORS = "∞∂∇∅"

ELEMENTS = frozenset(_ELEMENTS.split())
# No sizes but small ones, and no colours: nothing of a formula is drawn over the page, or cannot be seen.
_WORDS = """
display mathvariant stretchy fence separator form accent accentunder movablelimits largeop symmetric linethickness
displaystyle scriptlevel columnalign columnlines rowlines notation alttext
"""
_LENGTHS = frozenset(("width", "height", "depth", "lspace", "rspace", "voffset", "minsize", "maxsize"))
ATTRIBUTES = _LENGTHS.union(_WORDS.split())
_LENGTH = re.compile(r"[+-]?(?:[0-2]?\.\d+|[0-3](?:\.\d+)?)(?:em|ex)|0(?:px|pt)?")


def formula_html(tex: str, *, display: bool, source: str) -> str:
    """Return a formula as MathML, or its source where it cannot be typeset.

    Args:
        source: the formula with its delimiters, which is also what is copied.
    """
    made = _mathml(tex, display=display)
    if made is None:
        return source_html(source)
    made.set("alttext", source)
    drawn = tostring(made, encoding="unicode")
    return f'<span class="scroll formula" tabindex="0">{drawn}</span>' if display else drawn


def source_html(source: str) -> str:
    return f'<code class="tex">{escapeHtml(source)}</code>'


def is_small(value: str) -> bool:
    """Whether a length leaves a formula in its place."""
    return _LENGTH.fullmatch(value) is not None


def kept_attribute(name: str, value: str) -> str | None:
    """Drop a length that would draw over the page."""
    return value if name not in _LENGTHS or is_small(value) else None


def _mathml(tex: str, *, display: bool) -> Element | None:
    if len(tex) > MAX_CHARACTERS or _REFUSED.search(tex):
        return None
    try:
        made = Converter(display="block" if display else "inline").convert_to_element(_in_known_words(tex))
    except Exception:  # noqa: BLE001  the converter raises many kinds for what is no TeX, of Python's own too
        return None
    del made.attrib["xmlns"]
    return made if all(_is_typeset(*each) for each in _with_depths(made)) else None


def _with_depths(top: Element) -> Iterator[tuple[Element, int]]:
    waiting = [(top, 0)]
    while waiting:
        element, depth = waiting.pop()
        yield element, depth
        waiting += [(child, depth + 1) for child in element]


def _is_typeset(element: Element, depth: int) -> bool:
    """Whether all of an element was understood. Its text becomes characters: the converter writes references."""
    element.text = element.text and unescape(element.text)
    if element.tag == "mi" and _is_operator(element.text or ""):
        element.tag = "mo"  # which browsers give its spaces
    stays_a_command = element.tag != "mtext" and (element.text or "").startswith("\\")
    lacks_a_part = element.tag in ("mfrac", "mroot") and len(element) != 2
    stray = element.tag == "mi" and element.text == "&"
    return depth <= MAX_DEPTH and not (stays_a_command or lacks_a_part or stray)


def _is_operator(text: str) -> bool:
    return len(text) == 1 and category(text) == "Sm" and text not in _NOT_OPERATORS


def _in_known_words(tex: str) -> str:
    tex = _UPRIGHT.sub(r"\\text{\1}", _WITHOUT_MEANING.sub("", tex))
    return _ENVIRONMENT.sub(_known_environment, tex)


def _known_environment(found: re.Match[str]) -> str:
    end, name = found.groups()
    if name == "equation":
        return ""
    if name in _CENTERED:
        return r"\begin{array}{c}" if end == "begin" else r"\end{array}"
    return f"\\{end}{{{_SAME[name]}}}" if name in _SAME else found[0]
