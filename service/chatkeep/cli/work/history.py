"""The history in the terminal: turns as a table, or as JSON, one a line."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Literal
from uuid import UUID

from rich.text import Text

from chatkeep.admin.history_audit import read_history
from chatkeep.admin.history_queries import HistoryFilters, HistoryRecord
from chatkeep.audit.access_record import Reading
from chatkeep.audit.trail import Recorder
from chatkeep.cli.terminal.output import answer_json, print_info
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.cli.terminal.times import format_minute
from chatkeep.cli.work.pages import QUERY_TIMEOUT_SECONDS, pages
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
    table, shown, more = Table(COLUMNS), 0, False

    async def fetch(after: UUID | None, size: int) -> list[HistoryRecord]:
        limit = size if most is None else min(size, most - shown)
        timeout = QUERY_TIMEOUT_SECONDS
        return await read_history(
            database, reading, filters, after=after, limit=limit, peek=size - limit, timeout_seconds=timeout
        )

    async for turns in pages(fetch, attrgetter("id"), None if most is None else most + 1):
        wanted = turns if most is None else turns[: most - shown]
        shown += len(wanted)
        more = len(wanted) < len(turns)
        if output_format == "jsonl":
            _print_json(wanted)
        else:
            table.write([_cells(turn) for turn in wanted])
    return shown, more


def _print_json(turns: Sequence[HistoryRecord]) -> None:
    # Loads most of the service, for which a table need not wait.
    from chatkeep.admin.schemas import HistoryTurn  # noqa: PLC0415

    for turn in turns:
        answer_json(HistoryTurn.of(turn).model_dump_json())


def _cells(turn: HistoryRecord) -> list[str | Text]:
    return [
        format_minute(turn.created_at),
        turn.username,
        Text(turn.status, style=STATUS_STYLES[turn.status]),
        turn.model or "",
        RATING_MARKS[turn.rating],
        turn.prompt,
        turn.reply or "",
    ]
