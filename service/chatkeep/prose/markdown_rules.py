"""Rules for what models write beyond CommonMark: formulas, bare addresses, `<br>`, `<sub>`, `<sup>` and tasks."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from chatkeep.prose.formulas import MAX_CHARACTERS

CLOSING = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
MAX_RAISED_CHARACTERS = 200
MAX_ADDRESS_CHARACTERS = 2_000

_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}")
_SIGN = re.compile(r"[\\^_{]")
_AFTER = re.compile(r"(?![0-9A-Za-z])|(?:th|st|nd|rd|s)(?![0-9A-Za-z])")
_NOT_LATIN = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]")
_ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|gather|alignat|eqnarray|multline)\*?)\}")
_TAG = re.compile(r"<(?:(br) ?/?|(sub|sup))>", re.IGNORECASE)
# No sign of another script: a sentence may go on behind an address without a space.
_ADDRESS = re.compile(r"//[A-Za-z0-9][!#-;=?-Z\]_a-z~\[]*")
_ENDING = re.compile(r"(?:[?!.,:;*_~'\"]|&\w+;)+$")
_TASK = re.compile(r"\[([ xX])\] +(?=\S)")


def add_rules(markdown: MarkdownIt) -> None:
    markdown.block.ruler.before(
        "fence", "formula", _block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    markdown.inline.ruler.before("escape", "formula", _inline_formula)
    markdown.inline.ruler.before("autolink", "tags", _tags)
    markdown.inline.ruler.before("autolink", "address", _bare_address)
    markdown.core.ruler.after("inline", "tasks", _tasks)


def _inline_formula(state: StateInline, silent: bool) -> bool:
    opening = _opening(state.src, state.pos)
    if opening is None:
        return False
    begins = state.pos + len(opening)
    ends = _end_of_formula(state.src, begins, state.posMax, opening)
    if ends is None:
        return False
    if not silent:
        token = state.push("formula", "", 0)
        token.content, token.markup = state.src[begins:ends], opening
    state.pos = ends + len(opening)
    return True


def _opening(text: str, at: int) -> str | None:
    two = text[at : at + 2]
    return two if two in CLOSING else "$" if two[:1] == "$" else None


def _end_of_formula(text: str, begins: int, limit: int, opening: str) -> int | None:
    """Return where a formula ends, or None where it is none: money, a variable of a shell, a bracket."""
    limit = min(limit, begins + MAX_CHARACTERS + 2)
    ends = text.find(CLOSING[opening], begins, limit)
    while opening.startswith("$") and ends > 0 and text[ends - 1] == "\\":
        ends = text.find(CLOSING[opening], ends + 1, limit)
    content = text[begins:ends]
    if ends < 0 or not content.strip() or "`" in content:
        return None
    return ends if opening != "$" or _is_formula(text, begins, ends) else None


def _is_formula(text: str, begins: int, ends: int) -> bool:
    """Whether what stands between two dollars is a formula. Amounts of money have them too, also two in a sentence."""
    content = text[begins:ends]
    before = text[begins - 2] if begins > 1 else " "
    if content[0].isspace() or content[-1].isspace() or "\n" in content or (before.isalnum() and before.isascii()):
        return False
    if _AFTER.match(text, ends + 1) is None:
        return False
    if _SIGN.search(content):
        return True
    words = _WORD.findall(content)
    if content[0].isdigit() and (words or content.endswith(("-", "/", "("))):
        return False
    return not _NOT_LATIN.search(content) and not (words and " " in content)


def _block_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    text = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].strip()
    environment = _ENVIRONMENT.match(text)
    opening = environment[0] if environment else text[:2]
    closing = f"\\end{{{environment[1]}}}" if environment else CLOSING.get(opening)
    if closing is None or opening == "\\(":
        return False
    last = _last_line(state, start, end, text[len(opening) :], closing)
    if last is None:
        return False
    lines = state.getLines(start, last + 1, state.sCount[start], False).strip()
    if len(lines) < 4 or not lines[2:-2].strip():
        return False
    if silent:
        return True
    token = state.push("formula_block", "", 0)
    token.content, token.markup = (lines, "") if environment else (lines[2:-2], opening)
    token.map = [start, last + 1]
    state.line = last + 1
    return True


def _last_line(state: StateBlock, start: int, end: int, rest: str, closing: str) -> int | None:
    """Return the line that ends with `closing`, where nothing follows it; None where there is none in reach."""
    size, line = 0, start
    while size <= MAX_CHARACTERS:
        if closing in rest:
            return line if rest.rstrip().endswith(closing) and rest.count(closing) == 1 else None
        size += len(rest) + 1
        line += 1
        if line >= end or (not state.isEmpty(line) and state.sCount[line] < state.blkIndent):
            return None
        rest = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
    return None


def _tags(state: StateInline, silent: bool) -> bool:
    """Take the three tags that models write for want of a sign: a break in a table, and raised or lowered text."""
    found = _TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if found[1]:
        if not silent:
            state.push("hardbreak", "br", 0)
        state.pos = found.end()
        return True
    name, limit = found[2].lower(), state.posMax
    ends = state.src.lower().find(f"</{name}>", found.end(), min(limit, found.end() + MAX_RAISED_CHARACTERS))
    if ends < 0:
        return False
    if not silent:
        state.push(f"{name}_open", name, 1)
        state.pos, state.posMax = found.end(), ends
        state.md.inline.tokenize(state)
        state.push(f"{name}_close", name, -1)
    state.pos, state.posMax = ends + len(name) + 3, limit
    return True


def _bare_address(state: StateInline, silent: bool) -> bool:
    """Make a link of an address that stands in the text. Its scheme is what came before this colon."""
    if state.src[state.pos] != ":" or state.linkLevel > 0:
        return False
    scheme = re.search(r"(?<![A-Za-z0-9])https?$", state.pending[-6:])
    found = scheme and _ADDRESS.match(state.src, state.pos + 1, min(state.posMax, state.pos + MAX_ADDRESS_CHARACTERS))
    if not scheme or not found:
        return False
    rest = _without_ending(found[0])
    address = f"{scheme[0]}:{rest}"
    if not state.md.validateLink(address):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        link = state.push("link_open", "a", 1)
        link.attrs = {"href": state.md.normalizeLink(address)}
        text = state.push("text", "", 0)
        text.content = address
        state.push("link_close", "a", -1)
    state.pos += 1 + len(rest)
    return True


def _without_ending(address: str) -> str:
    """Leave to the sentence what ends it: punctuation, and a bracket that the address does not open."""
    while True:
        kept = _ENDING.sub("", address)
        if kept.endswith((")", "]")) and kept.count(kept[-1]) > kept.count("(" if kept[-1] == ")" else "["):
            kept = kept[:-1]
        if kept == address:
            return kept
        address = kept


def _tasks(state: StateCore) -> None:
    """Show a task of a list with its box."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if (item.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        found = _TASK.match(inline.content)
        first = inline.children[0] if inline.children else None
        if found is None or first is None or first.type != "text":
            continue
        first.content = first.content[found.end() :]
        box = Token("text", "", 0, content="☐ " if found[1] == " " else "☑ ")
        inline.children = [box, *(inline.children or [])]
        item.attrSet("class", "task")
