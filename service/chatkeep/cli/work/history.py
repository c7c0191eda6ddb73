"""The history in the terminal: turns as a table, or as JSON, one a line."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Literal
from uuid import UUID

from rich.text import Text
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.admin.history_audit import on_record, owners_of
from chatkeep.admin.history_queries import HistoryFilters, history_page
from chatkeep.audit.access_record import Reading
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.cli.terminal.output import answer_json, print_info
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.cli.terminal.times import format_minute
from chatkeep.cli.work.pages import pages
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.database.database import Database

__all__ = ["HistoryFilters", "print_history"]

STATUS_STYLES = {
    "complete": "green",
    "incomplete": "yellow",
    "streaming": "cyan",
    "stopped": "yellow",
    "failed": "red",
    "interrupted": "red",
}
RATING_MARKS = {1: Text("+", style="green"), -1: Text("-", style="red"), None: Text("")}
COLUMNS = (
    Column("TIME (UTC)", leave_out=1),
    Column("USER", widest=20, style="bold"),
    Column("STATUS", leave_out=2),
    Column("MODEL", widest=20, leave_out=5),
    Column("±", leave_out=4),
    Column("PROMPT", widest=None),
    Column("REPLY", widest=None, leave_out=3, style="dim"),
)


async def print_history(
    database: Database,
    audit: Recorder,
    filters: HistoryFilters,
    username: str | None,
    most: int | None,
    output_format: Literal["table", "jsonl"],
) -> None:
    """Print turns as they come, newest first, and tell whether there are more than `most`. Whose turns a page holds is
    on record before it is printed.

    Raises:
        NotFound: there is no user of that name.
    """
    if username is not None:
        async with database.transaction() as connection:
            user = await require_user_by_name(connection, username)
        if filters.user_id not in (None, user.id):
            print_info("No turn matches: --username and --user-id are two users.")
            return
        filters = replace(filters, user_id=user.id)
    shown, more = await _print(database, Reading(database, audit), filters, most, output_format)
    if not shown:
        print_info("No turn matches.")
    elif more:
        print_info("There are more turns: raise --limit, or use --all.")


async def _print(
    database: Database,
    reading: Reading,
    filters: HistoryFilters,
    most: int | None,
    output_format: Literal["table", "jsonl"],
) -> tuple[int, bool]:
    async def fetch(connection: AsyncConnection, after: UUID | None, size: int) -> Sequence[RowMapping]:
        return await history_page(connection, filters, after=after, limit=size)

    table, shown, more = Table(COLUMNS), 0, False
    async for rows in pages(database, fetch, itemgetter("id"), None if most is None else most + 1):
        wanted = rows if most is None else rows[: most - shown]
        shown += len(wanted)
        more = len(wanted) < len(rows)
        owners = owners_of(wanted, filters)
        await reading.note(Action.HISTORY_READ, owners, **on_record(filters))
        if output_format == "jsonl":
            _print_json(wanted)
        else:
            table.write([_cells(row) for row in wanted])
    return shown, more


def _print_json(rows: Sequence[RowMapping]) -> None:
    # Loads most of the service, for which a table need not wait.
    from chatkeep.admin.schemas import HistoryTurn  # noqa: PLC0415

    for row in rows:
        answer_json(HistoryTurn.from_row(row).model_dump_json())


def _cells(row: RowMapping) -> list[str | Text]:
    return [
        format_minute(row["created_at"]),
        row["username"],
        Text(row["status"], style=STATUS_STYLES[row["status"]]),
        row["model"] or "",
        RATING_MARKS[row["rating"]],
        row["prompt"],
        row["reply"] or "",
    ]
