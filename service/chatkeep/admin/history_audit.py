"""Pages of turns of all users, and the record of each reading: whose turns, and by which filters.

A page is on record before anybody sees it. If the process dies between the read and the record, nobody has seen
anything. If it dies after the record, the trail claims a reading whose answer never arrived: too much, never too
little.
"""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS, HistoryFilters, HistoryRecord, history_page
from chatkeep.audit.access_record import Reading
from chatkeep.audit.actions import Action
from chatkeep.database.reads import Reader

# Any other filter is recorded by its name alone: free text may quote what somebody wrote.
KEPT = ("user_id", "conversation_id", "status", "rating", "since", "until")


async def read_history(
    reader: Reader,
    reading: Reading,
    filters: HistoryFilters,
    *,
    after: UUID | None,
    limit: int,
    peek: int = 0,
    max_bytes: int | None = None,
    counted: bool = False,
    exported_as: str | None = None,
    timeout_seconds: float = QUERY_TIMEOUT_SECONDS,
) -> list[HistoryRecord]:
    """Return at most `limit` turns of all users, newest first, from after the turn `after`, once they are on record.

    Args:
        peek: so many more are read, and those without their texts for which `max_bytes` leaves no room. Nobody may be
            shown them: they tell whether there are more.
        max_bytes: of the texts of the turns, see `history_page`.
        counted: the record tells how many turns there were.
        exported_as: the format of the file that they go to, which makes it an export.

    Raises:
        NothingToFind: there is nothing to look for in `filters.q`.
        QueryTooSlow: the database took longer than `timeout_seconds`.
    """
    page = partial(
        history_page,
        filters=filters,
        after=after,
        limit=limit + peek,
        max_bytes=max_bytes,
        with_unread=peek > 0,
    )
    turns = await reader.read(page, timeout_seconds=timeout_seconds)
    shown = [turn for turn in turns[:limit] if turn.is_read]
    action = Action.HISTORY_READ if exported_as is None else Action.HISTORY_EXPORTED
    details = _on_record(filters)
    if counted:
        details["turns"] = len(shown)
    if exported_as is not None:
        details["format"] = exported_as
    await reading.note(action, _owners_of(shown, filters), **details)
    return turns


def _owners_of(turns: Iterable[HistoryRecord], filters: HistoryFilters) -> set[UUID]:
    """Return the users of the turns; the user who was asked for also where there are none."""
    owners = {turn.user_id for turn in turns}
    return owners if filters.user_id is None else owners | {filters.user_id}


def _on_record(filters: HistoryFilters) -> dict[str, Any]:
    """Return the filters as an audit row holds them; only those that were given."""
    given = {each.name: getattr(filters, each.name) for each in fields(filters)}
    kept = {name: _plain(name, value) for name, value in given.items() if value is not None and value is not False}
    return {"filters": kept} if kept else {}


def _plain(name: str, value: object) -> object:
    if name not in KEPT:
        return True
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
