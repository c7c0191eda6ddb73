"""The audit trail in the terminal: as a table, as JSON with the API's fields, or whole rows to keep elsewhere."""

import json
import sys
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal
from uuid import UUID

from rich.text import Text
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from service.audit.actions import READS, Action
from service.audit.events import Event
from service.audit.queries import EventFilters, events_page, usernames_of
from service.audit.trail import Recorder
from service.cli.output import answer_json, say
from service.cli.pages import pages
from service.cli.progress import row_progress
from service.cli.tables import Column, Table
from service.cli.times import minute
from service.database.database import Database

__all__ = ["EventFilters", "export_events", "print_events"]

COLUMNS = (
    Column("TIME (UTC)", leave_out=1),
    Column("ACTION", widest=24),
    Column("ACTOR", widest=20, style="bold"),
    Column("SUBJECT", widest=20),
    Column("ADDRESS", widest=24, leave_out=2),
    Column("REASON", widest=None, leave_out=3, style="dim"),
)


async def print_events(
    database: Database, filters: EventFilters, most: int | None, output_format: Literal["table", "jsonl"]
) -> None:
    """Print events as they come, newest first, and tell whether there are more than `most`."""
    table, shown, more = Table(COLUMNS), 0, False

    async def fetch(connection: AsyncConnection, after: UUID | None, size: int) -> Sequence[RowMapping]:
        return await events_page(connection, filters, after=after, limit=size)

    async for rows in pages(database, fetch, itemgetter("id"), None if most is None else most + 1):
        wanted = rows if most is None else rows[: most - shown]
        shown += len(wanted)
        more = len(wanted) < len(rows)
        names = await _names(database, wanted)
        if output_format == "jsonl":
            _print_json(wanted, names)
        else:
            table.write([_cells(row, names) for row in wanted])
    if not shown:
        say("Nothing fits.")
    elif more:
        say("There are more: raise --limit, or use --all.")


async def export_events(database: Database, audit: Recorder, filters: EventFilters, *, progress: bool) -> None:
    """Write every row that fits to standard output, and put first on record that it was exported."""
    async with database.transaction() as connection:
        await audit.record(connection, Action.AUDIT_EXPORTED)

    async def fetch(connection: AsyncConnection, after: UUID | None, size: int) -> Sequence[RowMapping]:
        return await events_page(connection, filters, after=after, limit=size, oldest_first=True)

    with row_progress("rows", None, shown=progress) as advance:
        async for rows in pages(database, fetch, itemgetter("id"), None):
            for row in rows:
                whole = Event.from_row(row).written() | {"hash": row["hash"].hex()}
                sys.stdout.buffer.write(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode() + b"\n")
            advance(len(rows))


async def _names(database: Database, rows: Sequence[Mapping[Any, Any]]) -> dict[UUID, str]:
    ids = {each for row in rows for each in (row["actor_id"], *row["subject_ids"])} - {None}
    async with database.transaction() as connection:
        return await usernames_of(connection, list(ids))


def _print_json(rows: Sequence[RowMapping], names: Mapping[UUID, str]) -> None:
    # Loads most of the service, for which a table need not wait.
    from service.admin.audit import AuditEvent  # noqa: PLC0415

    for row in rows:
        answer_json(AuditEvent.from_row(row, names).model_dump_json())


def _cells(row: RowMapping, names: Mapping[UUID, str]) -> list[str | Text]:
    style = "red" if row["action"].endswith("failed") else "yellow" if row["action"] in READS else ""
    actor = f"({row['actor_kind']})" if row["actor_id"] is None else _name(row["actor_id"], names)
    return [
        minute(row["created_at"]),
        Text(row["action"], style=style),
        actor,
        _subject(row["subject_ids"], names),
        row["address"] or "",
        row["reason"] or "",
    ]


def _subject(subject_ids: Sequence[UUID], names: Mapping[UUID, str]) -> str:
    if len(subject_ids) > 1:
        return f"{len(subject_ids)} users"
    return _name(subject_ids[0], names) if subject_ids else ""


def _name(user_id: UUID, names: Mapping[UUID, str]) -> str:
    return names.get(user_id, f"…{str(user_id)[-12:]}")
