"""Deletes conversations that nobody has written in for as long as their user's role keeps them.

A conversation goes as a whole, by its last turn: its turns are a tree, and a branch without its root is nobody's
history. It goes in one transaction with its turns, fragments and counters. If the process dies, what was committed is
gone as a whole and everything else is there as a whole; the next run takes it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chatkeep.accounts.queries import AnyRow
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.config import KeptRole
from chatkeep.database.database import Database
from chatkeep.errors import Busy
from chatkeep.retention.queries import Rule, delete_due, due_conversations, take_turns, users_page

USERS_AT_ONCE = 200
CONVERSATIONS_AT_ONCE = 200
# Of one transaction; a single conversation may have more.
TURNS_AT_ONCE = 5_000

Progress = Callable[[int], None]


@dataclass(slots=True)
class Removed:
    """The result of a run: conversations and turns that it deleted, or would delete."""

    conversations: int = 0
    turns: int = 0


def rules(days_of_role: Mapping[KeptRole, int], now: datetime) -> list[Rule]:
    """Return one rule per role: conversations unused since then are deleted. Roles without a rule keep everything."""
    return [Rule(role, now - timedelta(days=days)) for role, days in sorted(days_of_role.items())]


async def count_due(database: Database, due: Sequence[Rule]) -> Removed:
    """Count the conversations and turns that `delete_old` would delete, and delete nothing."""
    found = Removed()
    async for _, _, batch in _batches(database, due):
        found.conversations += len(batch)
        found.turns += sum(each.turn_count for each in batch)
    return found


async def delete_old(
    database: Database, audit: Recorder, due: Sequence[Rule], *, wait: bool = True, progress: Progress | None = None
) -> Removed:
    """Delete what is due, in short transactions, each with a row on record of whose and how many.

    Args:
        wait: take turns with another process that deletes right now.
        progress: told of every few conversations how many were looked at.

    Raises:
        Busy: without `wait`, another process deletes; what was deleted before stays so.
    """
    removed = Removed()
    async for rule, user_id, batch in _batches(database, due):
        async with database.transaction() as connection:
            if not await take_turns(connection, wait=wait):
                raise Busy("Another process is deleting old conversations.")
            gone = await delete_due(connection, rule, user_id, [each.id for each in batch])
            if gone:
                counts = {"conversations": len(gone), "turns": sum(gone)}
                await audit.record(connection, Action.RETENTION_DELETED, user_id, **counts)
        removed.conversations += len(gone)
        removed.turns += sum(gone)
        if progress is not None:
            progress(len(batch))
    await _put_run_on_record(database, audit, removed)
    return removed


async def _put_run_on_record(database: Database, audit: Recorder, removed: Removed) -> None:
    """Every run that somebody asked for; of the hourly ones those that found something."""
    if removed.conversations or audit.origin.actor_kind != "service":
        async with database.transaction() as connection:
            counts = {"conversations": removed.conversations, "turns": removed.turns}
            await audit.record(connection, Action.RETENTION_RUN, **counts)


async def _batches(database: Database, due: Sequence[Rule]) -> AsyncIterator[tuple[Rule, UUID, Sequence[AnyRow]]]:
    for rule in due:
        async for user_id in _users(database, rule):
            async for page in _pages(database, rule, user_id):
                for batch in _of_bearable_size(page):
                    yield rule, user_id, batch


async def _users(database: Database, rule: Rule) -> AsyncIterator[UUID]:
    after: UUID | None = None
    while True:
        async with database.transaction() as connection:
            found = await users_page(connection, rule, after=after, limit=USERS_AT_ONCE)
        for user in found:
            if user.is_due:
                yield user.id
        if len(found) < USERS_AT_ONCE:
            return
        after = found[-1].id


async def _pages(database: Database, rule: Rule, user_id: UUID) -> AsyncIterator[Sequence[AnyRow]]:
    after: AnyRow | None = None
    while True:
        async with database.transaction() as connection:
            page = await due_conversations(connection, rule, user_id, after=after, limit=CONVERSATIONS_AT_ONCE)
        yield page
        if len(page) < CONVERSATIONS_AT_ONCE:
            return
        after = page[-1]


def _of_bearable_size(page: Sequence[AnyRow]) -> list[list[AnyRow]]:
    batches: list[list[AnyRow]] = []
    turns = 0
    for each in page:
        if not batches or turns + each.turn_count > TURNS_AT_ONCE:
            batches.append([])
            turns = 0
        batches[-1].append(each)
        turns += each.turn_count
    return batches
