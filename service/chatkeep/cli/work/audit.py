"""The audit trail in the terminal: as a table, as JSON with the API's fields, or whole rows to keep elsewhere."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Literal
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from chatkeep.accounts import queries
from chatkeep.accounts.usernames import username_key
from chatkeep.audit.actions import READS, Action
from chatkeep.audit.events import Anchor, Event, StoredEvent
from chatkeep.audit.keys import SealingKeys
from chatkeep.audit.queries import EventFilters, all_heads, events_page, usernames_in
from chatkeep.audit.trail import Recorder
from chatkeep.audit.verification import Verdict, verify
from chatkeep.cli.audit_recorder import audit_secrets, operators_origin
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer, answer_json, errors, print_error, print_info
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.cli.terminal.times import format_minute
from chatkeep.cli.work.pages import QUERY_TIMEOUT_SECONDS, pages
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError

__all__ = ["EventFilters", "NamedUsers", "export_events", "list_events", "print_events"]

COLUMNS = (
    Column("TIME (UTC)", leave_out=1),
    Column("ACTION", widest=24),
    Column("ACTOR", widest=20, style="bold"),
    Column("SUBJECT", widest=20),
    Column("ADDRESS", widest=24, leave_out=2),
    Column("REASON", widest=None, leave_out=3, style="dim"),
)


@dataclass(frozen=True, slots=True)
class NamedUsers:
    """Users who are given by name."""

    actor: str | None = None
    subject: str | None = None


MAX_SHOWN = 20
MAX_NAMED = 2


async def print_events(
    database: Database, filters: EventFilters, most: int | None, output_format: Literal["table", "jsonl"]
) -> None:
    """Print events as they come, newest first, and tell whether there are more than `most`."""
    table, shown, more = Table(COLUMNS), 0, False

    async def fetch(after: UUID | None, size: int) -> Sequence[StoredEvent]:
        async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
            return await events_page(connection, filters, after=after, limit=size)

    async for rows in pages(fetch, attrgetter("event.id"), None if most is None else most + 1):
        wanted = rows if most is None else rows[: most - shown]
        shown += len(wanted)
        more = len(wanted) < len(rows)
        async with database.transaction() as connection:
            names = await usernames_in(connection, wanted)
        if output_format == "jsonl":
            _print_json(wanted, names)
        else:
            table.write([_cells(stored.event, names) for stored in wanted])
    if not shown:
        print_info("Nothing fits.")
    elif more:
        print_info("There are more: raise --limit, or use --all.")


async def with_named(
    database: Database, filters: EventFilters, names: NamedUsers, secrets: Sequence[str]
) -> EventFilters:
    """Return filters with the ids of users who were given by name; a deleted one is found as a subject.

    Raises:
        NotFound: there is no such actor.
    """
    async with database.transaction() as connection:
        if names.actor is not None:
            filters = replace(filters, actor_id=(await require_user_by_name(connection, names.actor)).id)
        if names.subject is not None:
            key = username_key(names.subject)
            user = await queries.user_by_key(connection, key)
            filters = replace(filters, subject_id=user.id if user else SealingKeys(secrets).name_ids(key)[0])
    return filters


def list_events(
    database: CommandDatabase,
    filters: EventFilters,
    names: NamedUsers,
    most: int | None,
    output_format: Literal["table", "jsonl"],
) -> None:
    """Print events; a name of somebody who was deleted takes the key, since the trail has a digest of it."""
    secrets = audit_secrets(database.settings) if names.subject is not None else ()

    async def work(connected: Database) -> None:
        await print_events(connected, await with_named(connected, filters, names, secrets), most, output_format)

    database.run(work)


async def export_events(database: Database, audit: Recorder, filters: EventFilters, *, progress: bool) -> None:
    """Write every row that fits to standard output, and put first on record that it was exported."""
    async with database.transaction() as connection:
        await audit.record(connection, Action.AUDIT_EXPORTED)

    async def fetch(after: UUID | None, size: int) -> Sequence[StoredEvent]:
        async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
            return await events_page(connection, filters, after=after, limit=size, oldest_first=True)

    with _progress("rows", None, shown=progress) as advance:
        async for events in pages(fetch, attrgetter("event.id"), None):
            for stored in events:
                whole = stored.event.written() | {"hash": stored.hash.hex()}
                sys.stdout.buffer.write(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode() + b"\n")
            advance(len(events))


@contextmanager
def _progress(what: str, total: int | None, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many more are done. Without a total it counts."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not (shown and errors.is_terminal),
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


def _print_json(events: Sequence[StoredEvent], names: Mapping[UUID, str]) -> None:
    # Loads most of the service, for which a table need not wait.
    from chatkeep.admin.audit import AuditEvent  # noqa: PLC0415

    for stored in events:
        answer_json(AuditEvent.of(stored, names).model_dump_json())


def _kind(event: Event) -> str:
    """Return the actor of an event without an account here: of operators, the account on the machine."""
    return f"({' '.join(filter(None, (event.actor_kind, event.details.get('os_user'))))})"


def _cells(event: Event, names: Mapping[UUID, str]) -> list[str | Text]:
    style = "red" if event.action.endswith("failed") else "yellow" if event.action in READS else ""
    actor = _kind(event) if event.actor_id is None else _name(event.actor_id, names)
    return [
        format_minute(event.created_at),
        Text(event.action, style=style),
        actor,
        _subject([each for each in event.subject_ids if str(each) != event.details.get("name_id")], names),
        event.address or "",
        event.reason or "",
    ]


def _subject(subject_ids: Sequence[UUID], names: Mapping[UUID, str]) -> str:
    """Return the accounts by name, and how many more there are."""
    left = len(subject_ids) - MAX_NAMED
    named = [_name(each, names) for each in subject_ids[:MAX_NAMED]]
    return ", ".join([*named, f"{left} more"] if left > 0 else named)


def _name(user_id: UUID, names: Mapping[UUID, str]) -> str:
    return names.get(user_id, f"…{str(user_id)[-12:]}")


def verify_trail(database: CommandDatabase, checkpoint: Anchor | None, save: Path | None) -> bool:
    """Verify the trail, say what was found, and return whether it is whole.

    Args:
        checkpoint: where the chains ended earlier.
        save: where to keep where they end now; a trail that is not whole is not kept.

    Raises:
        ConfigurationError: the key is not set, or the file cannot be written.
    """
    keys = SealingKeys(audit_secrets(database.settings))
    verdict = database.run(lambda connected: _verified(connected, keys, checkpoint))
    if verdict.broken:
        _say_what_is_broken(verdict)
        return False
    answer(f"The audit trail is whole: {_count(verdict.whole)} in {len(verdict.heads)} chains.")
    if checkpoint is not None:
        answer("Nothing is missing since the checkpoint.")
    if save is not None:
        _write(save, verdict.checkpoint)
    return True


def seal_trail(database: CommandDatabase, reason: str) -> None:
    """Seal the trail as it is, and say what was not sealed before."""
    secrets = audit_secrets(database.settings)

    async def work(connected: Database) -> list[int]:
        from chatkeep.audit.trail import AuditTrail  # noqa: PLC0415

        # Not opened as others are, which refuse a trail that is sealed with another key.
        trail = AuditTrail(SealingKeys(secrets))
        async with connected.transaction() as connection:
            return await trail.seal_as_it_is(connection, operators_origin(reason))

    unfit = database.run(work)
    answer(f"Sealed. {len(unfit)} of the chains had no valid seal before, which is on record.")


def read_checkpoint(file: Path) -> Anchor:
    """Return where the chains ended, as `--save` has kept it.

    Raises:
        ConfigurationError: it is another file.
    """
    try:
        kept = json.loads(file.read_text())
        return [(int(chain), int(seq), str(row_hash)) for chain, seq, row_hash in kept["ends"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is not a file of `chatkeep audit verify --save`.") from error


async def _verified(database: Database, keys: SealingKeys, checkpoint: Anchor | None) -> Verdict:
    async with database.transaction() as connection:
        total = sum(head.seq for head in await all_heads(connection))
    with _progress("rows", total) as advance:
        return await verify(database, keys, checkpoint=checkpoint, progress=advance)


def _say_what_is_broken(verdict: Verdict) -> None:
    for found in verdict.breaks[:MAX_SHOWN]:
        print_error(str(found))
    if verdict.broken > MAX_SHOWN:
        print_info(f"… and {verdict.broken - MAX_SHOWN} more.")
    answer(f"The audit trail is NOT whole: {verdict.broken} faults. {_count(verdict.whole)} unchanged.")


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _write(file: Path, ends: Anchor) -> None:
    file.write_text(json.dumps({"ends": ends}) + "\n")
    print_info(f"Saved where it ends in {file}.")
