"""The list of users in the terminal."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from rich.text import Text
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from service.admin.queries import UserFilters, users_page
from service.cli.output import answer_json, say
from service.cli.pages import pages
from service.cli.tables import Column, Table
from service.cli.times import minute
from service.database.database import Database

__all__ = ["UserFilters", "print_users"]

COLUMNS = (
    Column("NAME", style="bold"),
    Column("ROLE"),
    Column("STATE", leave_out=1),
    Column("CONVERSATIONS", leave_out=5, right=True),
    Column("TURNS", leave_out=2, right=True),
    Column("LAST SEEN (UTC)", leave_out=3),
    Column("CREATED (UTC)", leave_out=4),
    Column("EMAIL", leave_out=6),
)


async def print_users(database: Database, filters: UserFilters, most: int | None, *, as_json: bool) -> None:
    """Print users page by page, newest first, at most so many."""

    async def fetch(connection: AsyncConnection, after: UUID | None, size: int) -> Sequence[Row[Any]]:
        return await users_page(connection, filters, after=after, limit=size)

    table, printed = Table(COLUMNS), 0
    async for rows in pages(database, fetch, attrgetter("id"), most):
        printed += len(rows)
        if as_json:
            _print_json(rows)
        else:
            table.write([_cells(row) for row in rows])
    if not printed:
        say("No user matches.")


def _print_json(rows: Sequence[Row[Any]]) -> None:
    # Loads most of the service, for which a table need not wait.
    from service.admin.schemas import ListedUser  # noqa: PLC0415

    for row in rows:
        answer_json(ListedUser.model_validate(row).model_dump_json())


def _state(row: Row[Any]) -> Text:
    state = Text("disabled", style="red") if row.disabled else Text("enabled")
    return state.append(", held", style="yellow") if row.legal_hold else state


def _cells(row: Row[Any]) -> list[str | Text]:
    return [
        row.username,
        Text(row.role, style="magenta" if row.role == "admin" else ""),
        _state(row),
        str(row.conversation_count),
        str(row.turn_count),
        minute(row.last_seen_at),
        minute(row.created_at),
        row.email or "",
    ]
