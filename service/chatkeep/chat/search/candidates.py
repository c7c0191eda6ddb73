"""Candidates in SQL: turns whose lexemes fit, by the index or one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, Self
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from chatkeep.chat.search.filters import Filters
from chatkeep.chat.search.index_queries import texts_from_row
from chatkeep.chat.search.item_texts import reasoning_texts, refusal_texts
from chatkeep.chat.search.query import MAX_CONDITIONS, SearchQuery
from chatkeep.chat.search.search import Candidate, Found, ScanResult
from chatkeep.database.statement import Row, Statement
from chatkeep.database.tables import (
    IS_RUNNING,
    conversations,
    reasoning_entries,
    turn_entries,
    turn_files,
    turns,
    unsettled_turns,
    user_activity,
)
from chatkeep.folding.folding import fold

# Read whole by every search; there are fewer, unless entries could not be made for a while.
JUST_ENDED_TURNS = 100

LEXEMES: ARRAY[Any] = ARRAY(Integer)
_user_id = bindparam("user_id", type_=Uuid)
_after = bindparam("after", type_=Uuid)
_turns = bindparam("turns", type_=Integer)
_limit = bindparam("limit", type_=Integer)
_mark = bindparam("mark", type_=LEXEMES)
_with_files = bindparam("with_files", type_=Boolean)
_conditions = [bindparam(f"condition_{number}", type_=LEXEMES) for number in range(MAX_CONDITIONS)]
_t = turns.c
_c = conversations.c


@dataclass(frozen=True, slots=True)
class OwnCandidate(Candidate):
    """A turn of the asker that may fit.

    Args:
        has_file: known where it is asked for.
    """

    conversation_id: UUID
    conversation_title: str | None
    created_at: datetime
    model: str | None
    has_file: bool | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        others = (row[name] for name in ("conversation_id", "conversation_title", "created_at", "model", "has_file"))
        return cls(row["turn_id"], texts_from_row(row), *others)

    def passes(self, filters: Filters, /) -> bool:
        if filters.has_file and not self.has_file:
            return False
        if filters.before is not None and self.created_at >= filters.before:
            return False
        if filters.after is not None and self.created_at < filters.after:
            return False
        return filters.model is None or fold(filters.model) in fold(self.model or "")


@dataclass(frozen=True, slots=True)
class ScanRow(Generic[Found]):
    """A candidate of a walk; the walk's end has a number in place of one, see `with_end`."""

    turn_id: UUID
    candidate: Found | None
    number: int | None
    history: int | None

    @classmethod
    def from_row(cls, to_candidate: Callable[[Row], Found], row: Row) -> "ScanRow[Found]":
        number = row["number"]
        return cls(row["turn_id"], None if number is not None else to_candidate(row), number, row["history"])


def has_lexemes(lexemes: ColumnElement[Any], conditions: Sequence[ColumnElement[Any]]) -> list[ColumnElement[bool]]:
    """Whether lexemes fit the conditions of a query: one of each of the first, all of the `MAX_CONDITIONS`th."""
    return [
        lexemes.contains(each) if number == MAX_CONDITIONS - 1 else lexemes.overlap(each)
        for number, each in enumerate(conditions)
    ]


def newest_fitting(
    after: ColumnElement[Any],
    turns: ColumnElement[int],
    conditions: Sequence[ColumnElement[Any]],
    entries: Table,
    *,
    user_id: ColumnElement[Any] | None = None,
) -> tuple[Select[Any], Select[Any]]:
    """Of the newest `turns` before `after`, of one user or of all, those whose lexemes fit; and the ids of them all.

    Args:
        conditions: those that are null fit all.
    """
    _s = entries.c
    window = select(_s.user_id, _s.turn_id, _s.lexemes).limit(turns)
    entry: FromClause
    if user_id is None:
        window = window.where(_s.turn_id < after).order_by(_s.turn_id.desc())
        entry = window.subquery("newest")
        order = [entry.c.turn_id.desc()]
    else:
        # An order that the key alone has: a plan may be older than the turns, and by the index of all turns' ids it
        # would read those of others.
        key = tuple_(_s.user_id, _s.turn_id)
        window = window.where(_s.user_id >= user_id, key < tuple_(user_id, after))
        window = window.order_by(_s.user_id.desc(), _s.turn_id.desc())
        entry = window.subquery("newest")
        order = [entry.c.user_id.desc(), entry.c.turn_id.desc()]
    fits = has_lexemes(entry.c.lexemes, conditions)
    found = (
        select(entry.c.user_id, entry.c.turn_id)
        .where(*(or_(given.is_(None), fit) for given, fit in zip(conditions, fits, strict=True)))
        .order_by(*order)
    )
    return found, window.with_only_columns(_s.turn_id)


def asked_texts(entries: Table) -> Sequence[ColumnElement[Any]]:
    """The texts of a turn that its `entries` are of."""
    if entries is reasoning_entries:
        return [reasoning_texts(_t.reply_items).label("reasoning")]
    return [_t.prompt, _t.reply, refusal_texts(_t.reply_items).label("refusals")]


def has_file(user_id: Any, turn_id: Any) -> ColumnElement[bool]:
    _f = turn_files.c
    return exists().where(_f.user_id == user_id, _f.turn_id == turn_id)


def shown(found: Any, entries: Table) -> Select[Any]:
    """The columns of each candidate, looked up one by one: joined, all that the user has may be read.

    By ranges, so that it is looked up by the keys, where what a user has lies together.
    """
    turn_id = found.c.turn_id
    turn = (
        select(_t.conversation_id, *asked_texts(entries), _t.created_at, _t.model)
        .where(_t.user_id == _user_id, _t.id.between(turn_id, turn_id))
        .limit(1)
        .lateral("turn")
    )
    talk = turn.c.conversation_id
    title = select(_c.title).where(_c.user_id == _user_id, _c.id.between(talk, talk)).limit(1).scalar_subquery()
    return (
        select(
            found.c.turn_id,
            *turn.c,
            title.label("conversation_title"),
            case((_with_files, has_file(_user_id, turn_id))).label("has_file"),
        )
        .select_from(found.join(turn, true()))
        .order_by(found.c.turn_id.desc())
    )


def _index_lookup(entries: Table, *, conditions: int) -> Statement[OwnCandidate]:
    """The user's newest candidates by so many conditions and the index on lexemes, which knows whose they are.

    Several conditions on the lexemes have PostgreSQL expect few rows of that index, and take it. In a case, and sorted
    afterwards, the other conditions are no reason to read all that the user has by another index.
    """
    _s = entries.c
    matches = (
        select(_s.turn_id)
        .where(
            _s.lexemes.contains(_mark),
            *has_lexemes(_s.lexemes, _conditions[:conditions]),
            case((and_(_s.user_id == _user_id, _s.turn_id < _after), True), else_=False),
        )
        .cte("matches")
        .prefix_with("MATERIALIZED")
    )
    found = select(matches.c.turn_id).order_by(matches.c.turn_id.desc()).limit(_limit).cte("found")
    return Statement(shown(found, entries), row=OwnCandidate.from_row)


def newest_ended(after: ColumnElement[Any], *, user_id: ColumnElement[Any] | None = None) -> Select[Any]:
    """The newest turns before `after`, of one user or of all, that ended a moment ago and have no lexemes yet."""
    _u = unsettled_turns.c
    newest = select(_u.user_id, _u.turn_id).where(~IS_RUNNING, _u.turn_id < after)
    if user_id is not None:
        newest = newest.where(_u.user_id == user_id)
    return newest.order_by(_u.turn_id.desc()).limit(JUST_ENDED_TURNS)


def _just_ended(entries: Table) -> Statement[OwnCandidate]:
    found = newest_ended(_after, user_id=_user_id).cte("found")
    return Statement(shown(found, entries), row=OwnCandidate.from_row)


def _walk(entries: Table) -> Statement[ScanRow[OwnCandidate]]:
    """The newest candidates among the user's newest `turns` before `after`, and an end as `with_end` has it."""
    fitting, ids = newest_fitting(_after, _turns, _conditions, entries, user_id=_user_id)
    found = fitting.limit(_limit).cte("found").prefix_with("MATERIALIZED")
    counted = select(user_activity.c.turn_count).where(user_activity.c.user_id == _user_id).scalar_subquery()
    walked = with_end(shown(found, entries), ids, found=found, limit=_limit, history=counted)
    return Statement(walked, row=partial(ScanRow.from_row, OwnCandidate.from_row))


def with_end(
    shown: Select[Any],
    walked: Select[Any],
    *,
    found: FromClause,
    limit: ColumnElement[int],
    history: ColumnElement[Any],
) -> Select[Any]:
    """Add to the candidates that a walk found a row with the last of the turns that it looked at, and how many.

    There is none where it found as many as it was to: it ended with the last of them, and the rest was never read.
    """
    turn = walked.subquery("walked")
    (turn_id,) = turn.c
    number = func.row_number().over(order_by=turn_id.desc()).label("number")
    numbered = select(turn_id.label("turn_id"), number).subquery("numbered")
    is_open = select(func.count()).select_from(found).scalar_subquery() < limit
    last = select(numbered).where(is_open).order_by(numbered.c.turn_id).limit(1).subquery("last")
    columns = [
        last.c.turn_id if each.name == "turn_id" else cast(null(), each.type).label(each.name)
        for each in shown.selected_columns
    ]
    end = select(*columns, last.c.number, cast(history, BigInteger).label("history"))
    no_end = [cast(null(), kind).label(name) for name, kind in (("number", Integer), ("history", BigInteger))]
    candidates = shown.order_by(None).add_columns(*no_end)
    both = union_all(candidates, end).subquery("both")
    return select(both).order_by(both.c.turn_id.desc())


def entries_of(asked: SearchQuery) -> Table:
    """Return the table that knows where to find what a query asks for."""
    return reasoning_entries if asked.in_reasoning else turn_entries


def _index_lookups(entries: Table) -> list[Statement[OwnCandidate]]:
    return [_index_lookup(entries, conditions=number + 1) for number in range(MAX_CONDITIONS)]


JUST_ENDED, JUST_ENDED_REASONING = _just_ended(turn_entries), _just_ended(reasoning_entries)
INDEX_LOOKUP_BY_ONE, INDEX_LOOKUP_BY_TWO, INDEX_LOOKUP_BY_THREE = INDEX_LOOKUPS = _index_lookups(turn_entries)
SCAN = _walk(turn_entries)
REASONING_BY_ONE, REASONING_BY_TWO, REASONING_BY_THREE = REASONING_LOOKUPS = _index_lookups(reasoning_entries)
SCAN_REASONING = _walk(reasoning_entries)


def to_scan_result(rows: Sequence[ScanRow[Found]], turns: int) -> ScanResult[Found]:
    """Return the result of a walk over `turns`, from its candidates and its end."""
    candidates = [row.candidate for row in rows if row.candidate is not None]
    end = next((row for row in rows if row.candidate is None), None)
    if end is None:
        return ScanResult(candidates, None, candidates[-1].turn_id if candidates else None)
    last_id = end.turn_id if end.number == turns else None
    return ScanResult(candidates, end.number, last_id, end.history or 0)
