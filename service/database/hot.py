"""The handful of statements that run on every request, without SQLAlchemy's cost at run time.

Each is a Core expression like any other query, compiled once at import to the SQL that asyncpg wants, and run
as one auto-committed statement on a pool whose connections carry no session state.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import ClauseElement

Row = Mapping[str, Any]

# The driver's own `$1` parameters; SQLAlchemy gives the class no types.
_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Statement:
    """A Core expression, compiled once.

    Args:
        expression: its parameters are `bindparam(name, type_)`; literals in it become constants.
    """

    __slots__ = ("_constants", "_names", "sql")

    def __init__(self, expression: ClauseElement) -> None:
        compiled = expression.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the parameters in the order of their `$n`; a name that is not given is NULL.

        Raises:
            KeyError: `values` holds a name that the statement does not have.
        """
        if unknown := values.keys() - set(self._names):
            raise KeyError(f"no such parameter: {sorted(unknown)}")
        return [values[name] if name in values else self._constants.get(name) for name in self._names]
