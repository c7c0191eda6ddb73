"""Statements about the turns of which an older release kept less: found by the order of ids, and completed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, bindparam, exists, func, literal, select, true, update
from sqlalchemy.dialects import postgresql

from chatkeep.database.statement import BACKGROUND_SECONDS, Row, Statement, first_column, into
from chatkeep.database.tables import IS_RUNNING, replicas, turn_search, turns, unsettled_turns, unusual_turns

# What a replica says of itself in `replicas.search_version`: it keeps lexemes (1), or the narrow tables' rows, too (2).
# Raised with `VERSION`.
KEEPS = 2

_s = turn_search.c
_t = turns.c
_u = unsettled_turns.c


@dataclass(frozen=True, slots=True)
class RecentTurn:
    """A turn by its key, and whether it has no lexemes at all."""

    user_id: UUID
    id: UUID
    missing: bool


def _missing() -> Statement[RecentTurn]:
    """The newest turns between two ids, and of each whether it has ended and has no lexemes, nor waits for them."""
    window = (
        select(_t.user_id, _t.id, _t.status)
        .where(_t.id >= bindparam("since_id", type_=Uuid), _t.id < bindparam("before_id", type_=Uuid))
        .order_by(_t.id.desc())
        .limit(bindparam("limit", type_=Integer))
        .subquery("newest_turns")
    )
    # Looked up turn by turn, as above.
    made = (
        select(_s.version)
        .where(_s.user_id == window.c.user_id, _s.turn_id == window.c.id, _s.part == 0)
        .limit(1)
        .lateral("made")
    )
    unsettled = exists().where(_u.user_id == window.c.user_id, _u.turn_id == window.c.id)
    missing = and_(window.c.status != "streaming", made.c.version.is_(None), ~unsettled)
    return Statement(
        select(window.c.user_id, window.c.id, missing.label("missing"))
        .select_from(window.outerjoin(made, true()))
        .order_by(window.c.id.desc()),
        row=into(RecentTurn),
        timeout_seconds=BACKGROUND_SECONDS,
    )


def _adopt() -> Statement[Row]:
    """Keep of the turns between two ids what a process of the release before has not kept: that they are being
    answered, that they are not any more, that they ended in an unusual way.
    """
    between = (_t.id >= bindparam("since_id", type_=Uuid), _t.id < bindparam("before_id", type_=Uuid))
    columns = (_t.user_id, _t.id, _t.conversation_id, _t.status, _t.replica_id)
    newest = select(*columns).where(*between).order_by(_t.id.desc()).limit(bindparam("limit", type_=Integer))
    turn = newest.cte("newest_turns")
    begun = select(turn.c.user_id, turn.c.id, turn.c.conversation_id, turn.c.replica_id).where(
        turn.c.status == "streaming", turn.c.replica_id.is_not(None)
    )
    adopted = postgresql.insert(unsettled_turns).from_select(
        ["user_id", "turn_id", "conversation_id", "replica_id"], begun
    )
    ended = (
        update(unsettled_turns)
        .where(_u.user_id == turn.c.user_id, _u.turn_id == turn.c.id, IS_RUNNING, turn.c.status != "streaming")
        .values(ended_at=func.now())
    )
    unusual = postgresql.insert(unusual_turns).from_select(
        ["user_id", "turn_id", "status"],
        select(turn.c.user_id, turn.c.id, turn.c.status).where(
            turn.c.status != "streaming", turn.c.status != "complete"
        ),
    )
    return Statement(
        select(func.count())
        .select_from(turn)
        .add_cte(
            adopted.on_conflict_do_nothing().returning(_u.turn_id).cte("adopted"),
            ended.returning(_u.turn_id).cte("ended"),
            unusual.on_conflict_do_nothing().returning(unusual_turns.c.turn_id).cte("unusual"),
        ),
        timeout_seconds=BACKGROUND_SECONDS,
    )


MISSING = _missing()
ADOPT = _adopt()
OLDEST_STREAMING: Statement[UUID] = Statement(
    select(_u.turn_id).where(IS_RUNNING).order_by(_u.turn_id).limit(1), row=first_column
)
# Replicas whose code keeps less of a turn than this one's.
OLDER_REPLICAS = Statement(
    select(replicas.c.id).where(func.coalesce(replicas.c.search_version, literal(0)) < literal(KEEPS)).limit(1)
)
