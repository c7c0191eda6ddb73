"""Rows of the database become types where a query returns them: nobody else reads a row by the names of its columns."""

import ast
from collections.abc import Iterator

from tests.test_naming import SOURCE, modules

# Files that hold statements end like this, and functions that make a type of a row.
QUERY_FILES = ("queries.py",)
MAKERS = ("from_row",)
ROWS = {"row", "rows"}
MAPPINGS = {"Row", "RowMapping"}
# Modules that hold other rows, or read PostgreSQL's own catalogs.
EXCEPTIONS = {
    "cli/work/user_list.py": "the row of a user, whose columns are attributes",
    "database/backups/restore.py": "PostgreSQL's own catalogs, on a connection of the driver",
    "database/session.py": "PostgreSQL's own settings",
    "transfer/rows.py": "rows that an import is about to keep",
}


def readers(tree: ast.AST) -> Iterator[int]:
    """Yield the lines on which a row is read by the name of a column, outside of functions that make a type of it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.endswith(MAKERS):
            continue
        if isinstance(node, ast.Subscript) and is_row(node.value) and is_text(node.slice):
            yield node.lineno
        yield from readers(node)


def is_row(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):  # one of several: rows[-1]["id"]
        return is_row(node.value)
    return isinstance(node, ast.Name) and node.id in ROWS


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def imported(tree: ast.AST) -> set[str]:
    """Return the names of mappings of columns that a module imports and makes no type of."""
    functions = [node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    if any(name.endswith(MAKERS) for name in functions):
        return set()
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    kinds = [node for node in nodes if node.module in ("sqlalchemy", "chatkeep.database.statement")]
    return {name.name for node in kinds for name in node.names} & MAPPINGS


def test_a_row_is_read_by_its_columns_where_its_statement_is() -> None:
    found = {}
    for path in modules():
        if path.name.endswith(QUERY_FILES):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines = list(readers(tree))
        if lines or imported(tree):
            found[str(path.relative_to(SOURCE))] = lines
    assert not {name: lines for name, lines in found.items() if name not in EXCEPTIONS}


def test_every_exception_is_one() -> None:
    for name in EXCEPTIONS:
        tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
        assert list(readers(tree)) or imported(tree), f"{name} is no exception"


def test_a_reader_is_found() -> None:
    tree = ast.parse("def shown(rows):\n    return [row['id'] for row in rows] + [rows[-1]['id']]\n")
    assert list(readers(tree)) == [2, 2]
    assert list(readers(ast.parse("def from_row(row):\n    return row['id']\n"))) == []
