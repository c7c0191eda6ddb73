"""Statements about the entries of the release before: candidates by them, and those that are to be made anew."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from chatkeep.chat.search.candidates import OwnCandidate, shown
from chatkeep.database.statement import BACKGROUND_SECONDS, Statement, first_column, into
from chatkeep.database.tables import reasoning_entries, reasoning_search, turn_entries, turn_search

_user_id = bindparam("user_id", type_=Uuid)
_o = turn_search.c


@dataclass(frozen=True, slots=True)
class OlderEntry:
    """A turn that has an entry of the release before."""

    user_id: UUID
    turn_id: UUID


def has(lexemes: ColumnElement[Any], tsquery: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether older lexemes fit a `tsquery`."""
    return lexemes.op("@@", is_comparison=True)(cast(tsquery, TSQUERY))


def _lookup(older: Table, entries: Table) -> Statement[OwnCandidate]:
    """The user's newest candidates by older entries, by the index that knows whose they are."""
    _s = older.c
    tsquery = bindparam("tsquery", type_=Text)
    matches = (
        select(_s.turn_id)
        .where(
            has(_s.lexemes, bindparam("mark", type_=Text)),
            has(_s.lexemes, tsquery),
            case((and_(_s.user_id == _user_id, _s.turn_id < bindparam("after", type_=Uuid)), True), else_=False),
        )
        .cte("matches")
        .prefix_with("MATERIALIZED")
    )
    found = select(matches.c.turn_id).distinct().order_by(matches.c.turn_id.desc())
    return Statement(
        shown(found.limit(bindparam("limit", type_=Integer)).cte("found"), entries), row=OwnCandidate.from_row
    )


OLDER, OLDER_REASONING = _lookup(turn_search, turn_entries), _lookup(reasoning_search, reasoning_entries)
# By the keys, and the oldest, which go last: rows that were deleted a moment ago are not read again.
ANY_OLDER = Statement(
    select(_o.turn_id).where(_o.user_id == _user_id).order_by(_o.user_id, _o.turn_id, _o.part).limit(1)
)
ANY_OLDER_AT_ALL = select(_o.turn_id).order_by(_o.turn_id, _o.part).limit(1)
NEWEST_OLDER = Statement(
    select(_o.user_id, _o.turn_id)
    .where(_o.part == 0)
    .order_by(_o.turn_id.desc())
    .limit(bindparam("limit", type_=Integer)),
    row=into(OlderEntry),
    timeout_seconds=BACKGROUND_SECONDS,
)


def _drop() -> Statement[int]:
    """Delete older entries of turns that have new ones; return of how many."""
    arrays = (bindparam(name, type_=ARRAY(Uuid)) for name in ("user_ids", "turn_ids"))
    given = func.unnest(*arrays).table_valued("user_id", "turn_id", name="given").render_derived()
    user_id, turn_id = cast(given.c.user_id, Uuid), cast(given.c.turn_id, Uuid)
    _n = turn_entries.c
    made = exists().where(_n.user_id == user_id, _n.turn_id == turn_id, _n.lexemes.is_not(None)).correlate(given)
    said, thought = (
        delete(older)
        .where(older.c.user_id == user_id, older.c.turn_id == turn_id, made)
        .returning(older.c.turn_id, older.c.part)
        .cte(f"of_{older.name}")
        for older in (turn_search, reasoning_search)
    )
    dropped = select(func.count()).select_from(said).where(said.c.part == 0).add_cte(thought)
    return Statement(dropped, row=first_column, timeout_seconds=BACKGROUND_SECONDS)


DROP_OLDER = _drop()


def older_matches(older: Table, mark: str | None, tsquery: str | None) -> Select[Any]:
    """Turns of anyone whose older entries fit, or of whom the mark is."""
    _s = older.c
    query = select(_s.user_id, _s.turn_id).distinct().where(_s.lexemes.is_not(None))
    if mark is not None:
        query = query.where(has(_s.lexemes, literal(mark, Text)))
    return query if tsquery is None else query.where(has(_s.lexemes, literal(tsquery, Text)))
