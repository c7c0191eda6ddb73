"""Docstrings that are true of the names in them, and that begin with the noun."""

import ast
import re
from collections.abc import Iterator

from tests.test_naming import SOURCE, modules

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef
ARGUMENT = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*):")
CLAUSE = re.compile(r"(?:Return |Yield )?(?:what|whatever|who|whoever|whom|whose)\b", re.IGNORECASE)
# They are in the OpenAPI document, whose words are the contract's.
IN_THE_CONTRACT = {
    *("list_audit_events", "list_history_accesses", "read_file", "read_stats"),
    *("ImportReport", "RetentionRun", "SetGenerationParams", "TurnCounts"),
}


def documented() -> Iterator[tuple[str, Documented | ast.Module, str]]:
    """Yield each thing with a docstring, with its place and that docstring."""
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, Documented | ast.Module) and (text := ast.get_docstring(node)):
                name = "" if isinstance(node, ast.Module) else f":{node.name}"
                yield f"{path.relative_to(SOURCE)}{name}", node, text


def arguments_in(text: str) -> list[str]:
    """Return the names in the section `Args:` of a docstring."""
    section = re.split(r"\n\n|\n(?=\S)", text.partition("Args:\n")[2])[0]
    lines = [line.removeprefix("    ") for line in section.splitlines()]
    found = [ARGUMENT.match(line) for line in lines]
    return [name for each in found if each for name in each[1].split(", ")]


def parameters(node: Function) -> set[str]:
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg for each in named if each is not None}


def names_of(node: Documented) -> set[str]:
    """Return the parameters of a function; of a class, also its fields and properties."""
    if isinstance(node, Function):
        return parameters(node)
    functions = [each for each in node.body if isinstance(each, Function)]
    fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
    return {
        *(each.id for each in fields if isinstance(each, ast.Name)),
        *(each.name for each in functions if each.decorator_list),
        *(name for each in functions if each.name == "__init__" for name in parameters(each)),
    }


def test_the_arguments_in_a_docstring_are_there() -> None:
    wrong = {
        place: missing
        for place, node, text in documented()
        if not isinstance(node, ast.Module) and (missing := set(arguments_in(text)) - names_of(node))
    }
    assert not wrong


def test_a_docstring_begins_with_the_noun() -> None:
    wrong = [place for place, _, text in documented() if CLAUSE.match(text)]
    assert not [place for place in wrong if place.rpartition(":")[2] not in IN_THE_CONTRACT]


def test_arguments_are_read() -> None:
    text = "Do.\n\nArgs:\n    one: a thing,\n        of: many.\n    two, three: others.\n\nRaises:\n    E: x."
    assert arguments_in(text) == ["one", "two", "three"]
