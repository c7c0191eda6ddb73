"""The list of users, for a terminal or a program."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from rich.text import Text
from sqlalchemy import Row

from chatkeep.admin.user_queries import UserFilters, users_page
from chatkeep.cli.terminal.output import answer_json, print_info
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.cli.terminal.times import format_minute
from chatkeep.cli.work.pages import QUERY_TIMEOUT_SECONDS, pages
from chatkeep.database.database import Database

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
    Column("ID", widest=36, leave_out=7),
)


async def print_users(database: Database, filters: UserFilters, most: int | None, *, as_json: bool) -> None:
    """Print users page by page, newest first, at most so many."""

    async def fetch(after: UUID | None, size: int) -> Sequence[Row[Any]]:
        async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
            return await users_page(connection, filters, after=after, limit=size)

    table, printed = Table(COLUMNS), 0
    async for rows in pages(fetch, attrgetter("id"), most):
        printed += len(rows)
        if as_json:
            _print_json(rows)
        else:
            table.write([_cells(row) for row in rows])
    if not printed:
        print_info("No user matches.")


def _print_json(rows: Sequence[Row[Any]]) -> None:
    # Loads most of the service, for which a table need not wait.
    from chatkeep.admin.schemas import ListedUser  # noqa: PLC0415

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
        format_minute(row.last_seen_at),
        format_minute(row.created_at),
        row.email or "",
        str(row.id),
    ]
