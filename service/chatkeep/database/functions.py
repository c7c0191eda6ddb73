"""Functions in the database: their definitions, one file each, and calls of them.

The number in a name is its version. A function that a release has made is never changed, since the release before may
run beside it: the next one has the next number, and its migration makes it. The old one goes two releases later.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

_FOLDERS = (Path(__file__).resolve().parents[1] / "chat" / "history" / "sql",)


def definition_of(name: str) -> str:
    """Return the `CREATE FUNCTION` of a function, of the file of its name.

    Raises:
        FileNotFoundError: there is no such function.
    """
    for folder in _FOLDERS:
        if (path := folder / f"{name}.sql").is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(name)


def call(name: str, arguments: Sequence[ColumnElement[Any]], columns: Sequence[str]) -> Select[Any]:
    """Return the query for what a function returns.

    Args:
        columns: the names of the function's result, in order.
    """
    returned = getattr(func, name)(*arguments).table_valued(*columns)
    return select(*returned.c)
