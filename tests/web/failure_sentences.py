"""Every sentence that this service writes about a failed answer, read from its source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import chatkeep
from chatkeep.chat.models import errors

SOURCE = Path(chatkeep.__file__).parent
KINDS = {name for name, value in vars(errors).items() if isinstance(value, type)}
PART = "{}"
WRITTEN = (ast.Constant, ast.JoinedStr, ast.Name)


def sentences() -> set[str]:
    """Return them, with `{}` where something is filled in."""
    return {
        text
        for folder in ("chat", "chatstream")
        for path in sorted((SOURCE / folder).rglob("*.py"))
        for text in _sentences_in(path)
    }


def _sentences_in(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = _texts_named_in(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            yield _filled(node.args[0], texts, path)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr):  # to be given to one of those
            text = _filled(node.value, texts, path)
            if text.startswith("The model"):
                yield text
        if isinstance(node, ast.keyword) and node.arg == "error_detail" and isinstance(node.value, WRITTEN):
            yield _filled(node.value, texts, path)


def _filled(node: ast.expr, texts: dict[str, str], path: Path) -> str:
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(_filled(each, texts, path) for each in parts)
        case ast.FormattedValue(ast.Name(name)):
            return texts.get(name, PART)
        case ast.FormattedValue():
            return PART
        case ast.Name(name):
            return texts[name]
    raise AssertionError(f"{path.name}:{node.lineno}: a sentence that this test cannot read")


@cache
def _texts_named_in(path: Path) -> dict[str, str]:
    """Return the texts that a module gives a name, its own and those that it imports."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("chatkeep."):
                other = SOURCE / Path(*module.split(".")[1:])
                source = other.with_suffix(".py") if other.with_suffix(".py").exists() else other / "__init__.py"
                named = _texts_named_in(source)
                found |= {each.name: named[each.name] for each in node.names if each.name in named}
            case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str(text))):
                found[name] = text
            case ast.Assign(targets=[ast.Name(name)], value=ast.JoinedStr() as text):
                found[name] = _filled(text, {}, path)
    return found
