"""Queries of administrators: turns of everyone, by filters of a fixed list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Table,
    Uuid,
    column,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.admin.history_search import AnyTurns, found_turns
from chatkeep.chat.history.queries import TURN_COLUMNS, read_within, text_size, within_bytes
from chatkeep.chat.history.sibling_queries import with_siblings
from chatkeep.chat.records import ConversationRecord, ReadTurn
from chatkeep.chat.search.candidates import has_file
from chatkeep.chat.search.filters import Filters
from chatkeep.chat.search.query import SearchQuery, parse_query
from chatkeep.database.statement import into
from chatkeep.database.tables import IS_RUNNING, conversations, turns, unsettled_turns, unusual_turns, users
from chatkeep.ids import earliest_id, latest_id

QUERY_TIMEOUT_SECONDS = 10

# A row's id is made a moment before its time is read, and the ids of one process run ahead of its clock at most
# by this: the range of ids finds the rows, and the times decide.
ID_SLACK = timedelta(seconds=10)
# Between them lies every id, and room for the slack.
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)

_t = turns.c


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """Args:
    q: what the turns say, see `chatkeep.chat.search.query`; only finished ones are found by it.
    since: turns begun at this time or later.
    until: turns begun before this moment.
    model_part: a part of the model's name, in any case.
    has_file: turns with a file.
    """

    q: str | None = None
    user_id: UUID | None = None
    conversation_id: UUID | None = None
    model: str | None = None
    status: str | None = None
    rating: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    model_part: str | None = None
    has_file: bool = False

    def with_those_of(self, filters: Filters) -> "HistoryFilters":
        """Return these without their query, and together with what that filters by."""
        return replace(
            self,
            q=None,
            since=max(filter(None, (self.since, filters.after)), default=None),
            until=min(filter(None, (self.until, filters.before)), default=None),
            model_part=filters.model,
            has_file=filters.has_file,
        )


@dataclass(frozen=True, slots=True)
class OwnedConversation(ConversationRecord):
    """Anyone's conversation, with its owner's name."""

    username: str


@dataclass(slots=True)
class HistoryRecord(ReadTurn):
    """Anyone's turn, with its user's name and its conversation's title."""

    username: str
    conversation_title: str | None


_TO_CONVERSATION = into(OwnedConversation)
_TO_TURN = into(HistoryRecord)


async def conversation_by_id(connection: AsyncConnection, conversation_id: UUID) -> OwnedConversation | None:
    """Return anyone's conversation, with its owner's name."""
    query = (
        select(conversations, users.c.username)
        .join(users, users.c.id == conversations.c.user_id)
        .where(conversations.c.id == conversation_id)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _TO_CONVERSATION(row)


async def history_page(
    connection: AsyncConnection,
    filters: HistoryFilters,
    *,
    after: UUID | None,
    limit: int,
    max_bytes: int | None = None,
    with_unread: bool = False,
) -> list[HistoryRecord]:
    """Return at most `limit` turns of all users, newest first, from after the turn `after`.

    With `max_bytes` only as many as have so much text together, one at least; those after them come without their
    texts where `with_unread` is set.

    Ids are made in the order of time, so that they are both the order and the cursor. The page is cut before
    anything is joined to it.

    Raises:
        NothingToFind: there is nothing to look for in `filters.q`.
        QueryTooSlow: looking for it took too long.

    Source: PostgreSQL manual 9.25, Row and Array Comparisons; 7.6, LIMIT and OFFSET.
    """
    if filters.q is None:
        page = _newest(select(_t.user_id, _t.id), filters, after).limit(limit)
    else:
        page = _of_ids(await _found(connection, parse_query(filters.q), filters, after=after, limit=limit))
    if max_bytes is not None and not with_unread:
        page = within_bytes(page, lambda columns: [columns.id.desc()], max_bytes)
    found = with_siblings(page).subquery("page")
    joined = (
        select(
            *TURN_COLUMNS,
            found.c.sibling_count,
            found.c.sibling_position,
            users.c.username,
            conversations.c.title.label("conversation_title"),
        )
        .select_from(found)
        .join(turns, (_t.user_id == found.c.user_id) & (_t.id == found.c.id))
        .join(users, users.c.id == _t.user_id)
        .join(
            conversations,
            (conversations.c.user_id == _t.user_id) & (conversations.c.id == _t.conversation_id),
        )
    )
    if max_bytes is None or not with_unread:
        query = joined.add_columns(true().label("is_read")).order_by(_t.id.desc())
        return list(map(_TO_TURN, (await connection.execute(query)).mappings()))
    page_rows = await connection.execute(_read_within(joined), {"max_bytes": max_bytes})
    return list(map(_TO_TURN, page_rows.mappings()))


def _read_within(joined: Select[Any]) -> Select[Any]:
    """All of these turns, of which the first have their texts."""
    sized = joined.add_columns(text_size(_t).label("size")).subquery("joined")
    others = [sized.c[name] for name in ("sibling_count", "sibling_position", "username", "conversation_title")]
    return select(*read_within(sized, sized.c.size, [sized.c.id.desc()]), *others).order_by(sized.c.id.desc())


async def _found(
    connection: AsyncConnection, asked: SearchQuery, filters: HistoryFilters, *, after: UUID | None, limit: int
) -> list[tuple[UUID, UUID]]:
    others = filters.with_those_of(asked.filters)
    source = AnyTurns(
        connection,
        asked,
        lambda query: _filtered(query, others),
        lambda query, after: _newest(query, others, after),
        user_id=filters.user_id,
        by_user_alone=others == HistoryFilters(user_id=filters.user_id),
    )
    return await found_turns(asked, source, after=after, limit=limit)


def _of_ids(ids: Sequence[tuple[UUID, UUID]]) -> Select[Any]:
    """The turns of these (`user_id`, `id`)."""
    user_ids, turn_ids = ([each[n] for each in ids] for n in range(2))
    unnested = func.unnest(literal(user_ids, ARRAY(Uuid)), literal(turn_ids, ARRAY(Uuid)))
    given = unnested.table_valued(column("user_id", Uuid), column("id", Uuid), name="given").render_derived()
    return select(given.c.user_id, given.c.id)


def _newest(query: Select[Any], filters: HistoryFilters, after: UUID | None) -> Select[Any]:
    """The turns that pass the filters, newest first, from after the turn `after`."""
    # Also by the narrow table's own column: it is read in that order, from there on.
    before = () if after is None else [turn_id < after for turn_id in _turn_ids(filters)]
    return _filtered(query, filters).where(*before).order_by(_t.id.desc())


def _filtered(query: Select[Any], filters: HistoryFilters) -> Select[Any]:
    equal = {
        "user_id": filters.user_id,
        "conversation_id": filters.conversation_id,
        "model": filters.model,
        "rating": filters.rating,
    }
    query = query.where(*(_t[name] == value for name, value in equal.items() if value is not None))
    if filters.model_part is not None:
        query = query.where(func.strpos(func.lower(_t.model), filters.model_part.lower()) > 0)
    if filters.has_file:
        query = query.where(has_file(_t.user_id, _t.id))
    query = _of_status(query, filters.status)
    for turn_id in _turn_ids(filters):
        if filters.since is not None:
            query = query.where(turn_id >= earliest_id(max(filters.since, FIRST_TIME) - ID_SLACK))
        if filters.until is not None:
            query = query.where(turn_id <= latest_id(min(filters.until, LAST_TIME) + ID_SLACK))
    if filters.since is not None:
        query = query.where(_t.created_at >= filters.since)
    if filters.until is not None:
        query = query.where(_t.created_at < filters.until)
    return query


def _turn_ids(filters: HistoryFilters) -> list[ColumnElement[UUID]]:
    narrow = _narrow_table(filters.status)
    return [_t.id] if narrow is None else [_t.id, narrow.c.turn_id]


def _narrow_table(status: str | None) -> Table | None:
    """Where the turns of a status are found; None where most turns may have it."""
    if status in (None, "complete"):
        return None
    return unsettled_turns if status == "streaming" else unusual_turns


def _of_status(query: Select[Any], status: str | None) -> Select[Any]:
    narrow = _narrow_table(status)
    if narrow is None:
        return query if status is None else query.where(_t.status == status)
    # The narrow table alone: by the status of the turn, too, PostgreSQL would expect hardly any, and read them all.
    query = query.where(narrow.c.user_id == _t.user_id, narrow.c.turn_id == _t.id)
    return query.where(IS_RUNNING) if narrow is unsettled_turns else query.where(unusual_turns.c.status == status)
