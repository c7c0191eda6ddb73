"""Statements about the turns of which an older release kept less: found by the order of ids, and completed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import CTE, Integer, Table, Uuid, and_, bindparam, exists, func, literal, select, true, update
from sqlalchemy.dialects import postgresql

from chatkeep.database.statement import BACKGROUND_SECONDS, Row, Statement, first_column, into
from chatkeep.database.tables import (
    IS_RUNNING,
    reasoning_search,
    replicas,
    turn_entries,
    turn_search,
    turns,
    unsettled_turns,
    unusual_turns,
)

# What a replica says of itself in `replicas.search_version`: it keeps lexemes (1), the narrow tables' rows, too (2),
# or lexemes as numbers (3). Raised with `VERSION`.
KEEPS = 3

# The tables in which the release before has its entries.
OLDER_OF = {"turn_entries": turn_search, "reasoning_entries": reasoning_search}

_s = turn_entries.c
_o = turn_search.c
_t = turns.c
_u = unsettled_turns.c
_is_older = func.coalesce(replicas.c.search_version, literal(0)) < literal(KEEPS)


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
    made = select(_s.version).where(_s.user_id == window.c.user_id, _s.turn_id == window.c.id).limit(1).lateral("made")
    # They are found by these until they are made anew.
    older = exists().where(
        _o.user_id == window.c.user_id, _o.turn_id == window.c.id, _o.part == 0, _o.lexemes.is_not(None)
    )
    unsettled = exists().where(_u.user_id == window.c.user_id, _u.turn_id == window.c.id)
    missing = and_(window.c.status != "streaming", made.c.version.is_(None), ~unsettled, ~older)
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


def for_older_replicas(kept: CTE, older: Table) -> CTE:
    """Have replicas of the release before make their own entries of turns, while there are any."""
    at_work = exists().where(_is_older, replicas.c.lease_expires_at > func.now())
    rows = select(kept.c.user_id, kept.c.turn_id, literal(0), literal(0)).where(at_work)
    noted = postgresql.insert(older).from_select(["user_id", "turn_id", "part", "version"], rows)
    return noted.on_conflict_do_nothing().returning(older.c.turn_id).cte("noted")


MISSING = _missing()
ADOPT = _adopt()
OLDEST_STREAMING: Statement[UUID] = Statement(
    select(_u.turn_id).where(IS_RUNNING).order_by(_u.turn_id).limit(1), row=first_column
)
# Replicas whose code keeps less of a turn than this one's.
OLDER_REPLICAS = Statement(select(replicas.c.id).where(_is_older).limit(1))
# The same, but for those that ended without a word a while ago.
OLDER_AT_WORK = Statement(
    select(replicas.c.id)
    .where(_is_older, replicas.c.lease_expires_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 10))
    .limit(1)
)
# The one of all replicas that makes older entries anew: several would do the same.
FIRST_REPLICA: Statement[UUID] = Statement(
    select(replicas.c.id).where(replicas.c.lease_expires_at > func.now()).order_by(replicas.c.id).limit(1),
    row=first_column,
)
