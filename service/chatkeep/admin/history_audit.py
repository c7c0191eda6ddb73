"""The audit record of a reading of the history: whose turns, and by which filters."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from chatkeep.admin.history_queries import HistoryFilters

# Any other filter is recorded by its name alone: free text may quote what somebody wrote.
KEPT = ("user_id", "conversation_id", "status", "rating", "since", "until")


def owners_of(rows: Iterable[Mapping[Any, Any]], filters: HistoryFilters) -> set[UUID]:
    """Return whose turns they are; the user who was asked for also where there are none."""
    owners = {row["user_id"] for row in rows}
    return owners if filters.user_id is None else owners | {filters.user_id}


def on_record(filters: HistoryFilters) -> dict[str, Any]:
    """Return the filters as an audit row holds them; only those that were given."""
    given = {each.name: getattr(filters, each.name) for each in fields(filters)}
    kept = {name: _plain(name, value) for name, value in given.items() if value is not None}
    return {"filters": kept} if kept else {}


def _plain(name: str, value: object) -> object:
    if name not in KEPT:
        return True
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
