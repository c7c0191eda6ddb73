"""How turns become findable: the lexemes of each, kept in the statement that ends it or made afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql

from chatkeep.chat.search.item_texts import has_reasoning, reasoning_texts, refusal_texts
from chatkeep.chat.search.lexemes import VERSION
from chatkeep.chat.search.older_release_queries import OLDER_OF, for_older_replicas
from chatkeep.database.statement import BACKGROUND_SECONDS, Row, Statement, first_column, into
from chatkeep.database.tables import (
    reasoning_entries,
    turn_entries,
    turns,
    unsettled_turns,
)

_s = turn_entries.c
_r = reasoning_entries.c
_t = turns.c
_u = unsettled_turns.c
_COLUMNS = ["user_id", "turn_id", "version", "lexemes"]


def texts_from_row(row: Row) -> Sequence[str | None]:
    """Return the texts of a turn, of what it says or of what the model thought, whichever was asked for."""
    if "reasoning" in row:
        return row["reasoning"] or ()
    return row["prompt"], row["reply"], *(row["refusals"] or ())


@dataclass(frozen=True, slots=True)
class TurnTexts:
    """A turn whose lexemes are to be made of these texts."""

    user_id: UUID
    id: UUID
    texts: Sequence[str | None]

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(row["user_id"], row["id"], texts_from_row(row))


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """An ended turn with all of its texts; `reasoning` is empty where the model told none."""

    user_id: UUID
    id: UUID
    prompt: str
    reply: str | None
    refusals: Sequence[str]
    reasoning: Sequence[str]

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            *(row["user_id"], row["id"], row["prompt"], row["reply"]),
            refusals=row["refusals"] or (),
            reasoning=row["reasoning"] or (),
        )

    @property
    def characters(self) -> int:
        return sum(len(text or "") for text in (self.prompt, self.reply, *self.refusals, *self.reasoning))

    def said(self) -> TurnTexts:
        return TurnTexts(self.user_id, self.id, (self.prompt, self.reply, *self.refusals))

    def thought(self) -> TurnTexts:
        return TurnTexts(self.user_id, self.id, self.reasoning)


@dataclass(frozen=True, slots=True)
class IndexedTurn:
    """A turn by its key, and whether its lexemes are missing or of an older version."""

    user_id: UUID
    id: UUID
    stale: bool


def _pending(entries: Table, *texts: ColumnElement[Any]) -> Statement[TurnTexts]:
    """Turns whose lexemes are to be made, with their texts."""
    return Statement(
        select(_t.user_id, _t.id, *texts)
        .join(entries, and_(entries.c.user_id == _t.user_id, entries.c.turn_id == _t.id))
        .where(entries.c.lexemes.is_(None))
        .limit(bindparam("limit", type_=Integer)),
        row=TurnTexts.from_row,
        timeout_seconds=BACKGROUND_SECONDS,
    )


_reasoning = reasoning_texts(_t.reply_items).label("reasoning")
_refusals = refusal_texts(_t.reply_items).label("refusals")
_all_texts = (_t.user_id, _t.id, _t.prompt, _t.reply, _refusals, _reasoning)
PENDING = _pending(turn_entries, _t.prompt, _t.reply, _refusals)
PENDING_REASONING = _pending(reasoning_entries, _reasoning)


def _window() -> Statement[IndexedTurn]:
    """The next turns by key, and of each whether its lexemes are missing or of an older version."""
    window = (
        select(_t.user_id, _t.id, _t.status, has_reasoning(_t.reply_items).label("reasoned"))
        .where(
            tuple_(_t.user_id, _t.id)
            > tuple_(bindparam("after_user_id", type_=Uuid), bindparam("after_id", type_=Uuid))
        )
        .order_by(_t.user_id, _t.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("next_turns")
    )
    # Looked up turn by turn: joined, the entries of all turns would be read for each window.
    made = (
        select(_s.version, _s.lexemes.is_(None).label("pending"))
        .where(_s.user_id == window.c.user_id, _s.turn_id == window.c.id)
        .limit(1)
        .lateral("made")
    )
    thought = (
        select(_r.version, _r.lexemes.is_(None).label("pending"))
        .where(window.c.reasoned, _r.user_id == window.c.user_id, _r.turn_id == window.c.id)
        .limit(1)
        .lateral("thought")
    )
    missing = or_(_is_stale(made), and_(window.c.reasoned, _is_stale(thought)))
    return Statement(
        select(window.c.user_id, window.c.id, and_(window.c.status != "streaming", missing).label("stale"))
        .select_from(window.outerjoin(made, true()).outerjoin(thought, true()))
        .order_by(window.c.user_id, window.c.id),
        row=into(IndexedTurn),
    )


def _is_stale(entry: FromClause) -> ColumnElement[bool]:
    return or_(entry.c.version.is_(None), entry.c.pending, entry.c.version < VERSION)


WINDOW = _window()


def _given(*columns: tuple[str, Any]) -> Any:
    """Rows that are given column by column."""
    arrays = [bindparam(f"{name}s", type_=ARRAY(kind)) for name, kind in columns]
    return func.unnest(*arrays).table_valued(*(name for name, _ in columns), name="given").render_derived()


def _texts() -> Statement[FinishedTurn]:
    given = _given(("user_id", Uuid), ("turn_id", Uuid))
    wanted = and_(_t.user_id == cast(given.c.user_id, Uuid), _t.id == cast(given.c.turn_id, Uuid))
    return Statement(
        select(*_all_texts).select_from(turns.join(given, wanted)).where(_t.status != "streaming"),
        row=FinishedTurn.from_row,
    )


TEXTS = _texts()

_of_turn = and_(_t.user_id == _u.user_id, _t.id == _u.turn_id)
# Turns that ended some time ago and whose process has not made them findable.
LEFT_BEHIND = Statement(
    select(*_all_texts)
    .join_from(unsettled_turns, turns, _of_turn)
    .where(_u.ended_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Float)))
    .limit(bindparam("limit", type_=Integer)),
    row=FinishedTurn.from_row,
    timeout_seconds=BACKGROUND_SECONDS,
)


def _index(entries: Table) -> Statement[int]:
    """Keep the lexemes of several turns in place of what there is; return of how many.

    Turns that are gone, or that somebody deletes right now, are left out: waiting for them could be in a circle.
    """
    given = _given(("user_id", Uuid), ("turn_id", Uuid), ("lexemes_text", Text))
    user_id, turn_id = cast(given.c.user_id, Uuid), cast(given.c.turn_id, Uuid)
    rows = (
        select(_t.user_id, _t.id, literal(VERSION), cast(given.c.lexemes_text, ARRAY(Integer)))
        .select_from(given.join(turns, and_(_t.user_id == user_id, _t.id == turn_id)))
        .with_for_update(read=True, key_share=True, skip_locked=True, of=turns)
    )
    made = postgresql.insert(entries).from_select(_COLUMNS, rows)
    kept = (
        made.on_conflict_do_update(
            index_elements=["user_id", "turn_id"],
            set_={name: made.excluded[name] for name in ("version", "lexemes")},
        )
        .returning(entries.c.user_id, entries.c.turn_id)
        .cte("kept")
    )
    indexed = (
        select(func.count().label("made")).select_from(kept).add_cte(for_older_replicas(kept, OLDER_OF[entries.name]))
    )
    if entries is turn_entries:
        indexed = indexed.add_cte(_settle(kept))
    return Statement(indexed, row=first_column, timeout_seconds=BACKGROUND_SECONDS)


def _settle(kept: CTE) -> CTE:
    """Nothing is left to be done of turns that have their entries; those of their reasoning are made before."""
    settled = delete(unsettled_turns).where(
        _u.user_id == kept.c.user_id, _u.turn_id == kept.c.turn_id, _u.ended_at.is_not(None)
    )
    return settled.returning(_u.turn_id).cte("settled")


INDEX = _index(turn_entries)
INDEX_REASONING = _index(reasoning_entries)
