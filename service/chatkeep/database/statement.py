"""The handful of statements that run on every request, without SQLAlchemy's cost at run time.

Each is a Core expression like any other query, compiled once at import to the SQL that asyncpg wants, and run
as one auto-committed statement on connections that carry no session state (`pool.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast, overload

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.elements import ClauseElement

Row = Mapping[Any, Any]
Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)

# A request is to be answered within 3 s, also where the database stands still; a hot statement takes milliseconds.
ANSWER_SECONDS = 2.5
# Background work, which no request waits for: it is tried again anyway, and must not be given up while it advances.
BACKGROUND_SECONDS = 30

# The driver's own `$1` parameters; SQLAlchemy gives the class no types.
_DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


class Statement(Generic[Made_co]):
    """A Core expression, compiled once.

    Args:
        row: makes what `Database` returns of each row; without it, rows come as mappings.
        expression: its parameters are `bindparam(name, type_)`. A value in it becomes a parameter, too: what the
            condition of an index says has to be a `literal_column`.
        timeout_seconds: how long its answer is waited for.
    """

    __slots__ = ("_defaults", "row", "sql", "timeout_seconds")

    @overload
    def __init__(self: "Statement[Row]", expression: ClauseElement, *, timeout_seconds: float = ...) -> None: ...

    @overload
    def __init__(
        self, expression: ClauseElement, *, row: Callable[[Row], Made_co], timeout_seconds: float = ...
    ) -> None: ...

    def __init__(
        self,
        expression: ClauseElement,
        *,
        row: Callable[[Row], Made_co] | None = None,
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.row = row
        self.timeout_seconds = timeout_seconds
        compiled = expression.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        # In the order of their `$n`.
        self._defaults: dict[str, object] = {name: compiled.params.get(name) for name in names}

    def arguments(self, values: dict[str, object]) -> list[object]:
        """Return the parameters in the order of their `$n`; a name that is not given is NULL.

        Raises:
            KeyError: `values` holds a name that the statement does not have.
        """
        given = self._defaults | values
        if len(given) != len(self._defaults):
            raise KeyError(f"no such parameter: {sorted(values.keys() - self._defaults.keys())}")
        return list(given.values())


def into(kind: Callable[..., Made], *last: object) -> Callable[[Row], Made]:
    """Return a maker of dataclasses: each field takes the column of its name.

    Args:
        last: values of the last fields, of which the row has no columns.
    """
    names = [each.name for each in fields(cast("Any", kind))]
    pick = itemgetter(*names[: len(names) - len(last)])
    return lambda row: kind(*pick(row), *last)


def first_column(row: Row) -> Any:
    """Return the first column of a row of the driver."""
    return cast("Any", row)[0]
