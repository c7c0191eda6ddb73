"""The statements of a turn's life, each built once and run as one auto-committed statement.

Locks are always taken in the order conversation, turn, counters. Deleting takes them in the same order.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from chatkeep.chat.history.fragments import written_items, written_text
from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, REPLICA_ID, TURN_ID, USER_ID
from chatkeep.chat.history.turn import UnfinishedTurn
from chatkeep.database.functions import call
from chatkeep.database.statement import BACKGROUND_SECONDS, Statement, into
from chatkeep.database.tables import IS_RUNNING, replicas, reply_fragments, turns, unsettled_turns

_t = turns.c
_u = unsettled_turns.c


@dataclass(frozen=True, slots=True)
class KeyedTurn:
    """The turn that a request with an idempotency key began, and the digest of that request."""

    id: UUID
    request_digest: bytes | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """The columns of an ended turn that its process does not know: its model where it named none, and its rating."""

    model: str | None
    rating: Literal[1, -1] | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class FlushedTurn:
    """A turn that is still this process's, and whether somebody asked for its end."""

    id: UUID
    stop_requested: bool


# The columns of a turn's row that `chatkeep.chat.history.turn.Outcome` tells, in the order of the function's arguments.
OUTCOME = (
    "status",
    "reply",
    "reply_items",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "left_out",
    "error_code",
    "error_detail",
)

TURN_BY_KEY = Statement(
    select(_t.id, _t.request_digest, _t.created_at).where(
        _t.user_id == USER_ID,
        _t.conversation_id == CONVERSATION_ID,
        _t.idempotency_key == bindparam("idempotency_key", type_=Text),
    ),
    row=into(KeyedTurn),
)

# Asked of the row, on any replica; the generating process learns of it with its next flush.
REQUEST_STOP = Statement(
    update(turns)
    .where(
        _t.user_id == USER_ID,
        _t.conversation_id == CONVERSATION_ID,
        _t.id == TURN_ID,
        _t.status == "streaming",
    )
    .values(stop_requested=True)
    .returning(_t.id)
)

_running = select(_u.user_id, _u.conversation_id, _u.turn_id.label("id"), _u.replica_id).where(IS_RUNNING)

# Turns that a replica is generating, as far as the database knows.
STREAMING_TURNS = Statement(_running.where(_u.replica_id == REPLICA_ID), row=into(UnfinishedTurn))

# Turns whose process is gone: it ended, or its lease ran out.
STALLED_TURNS = Statement(
    _running.select_from(unsettled_turns.outerjoin(replicas, replicas.c.id == _u.replica_id))
    .where(or_(replicas.c.id.is_(None), replicas.c.lease_expires_at < func.now()))
    .limit(100),
    row=into(UnfinishedTurn),
)


def _end(*, interrupted: bool) -> Statement[EndedTurn]:
    """Keep how a turn ended by the function of `sql/end_turn_1.sql`, unless somebody else did before.

    Where its process died (`interrupted`), the reply is what had been written down of it.
    """
    values: dict[str, ColumnElement[Any]] = {
        name: null() if interrupted else bindparam(name, type_=turns.c[name].type) for name in OUTCOME
    }
    if interrupted:
        values |= {
            "status": literal_column("'interrupted'"),
            "reply": written_text(USER_ID, TURN_ID),
            "reply_items": written_items(USER_ID, TURN_ID),
        }
    default_model = null() if interrupted else bindparam("default_model", type_=Text)
    first_text_ms = null() if interrupted else bindparam("first_text_ms", type_=Integer)
    arguments = (
        *(USER_ID, CONVERSATION_ID, TURN_ID, REPLICA_ID, NOW, *values.values()),
        *(default_model, bindparam("offered_models", type_=ARRAY(Text)), first_text_ms),
    )
    return Statement(
        call("end_turn_1", arguments, ("model", "rating", "comment")),
        row=into(EndedTurn),
        timeout_seconds=BACKGROUND_SECONDS,
    )


def _flush() -> Statement[FlushedTurn]:
    """Append what was generated since; return the turns that are still this process's, and which are to stop."""
    new = (
        func.unnest(
            bindparam("user_ids", type_=ARRAY(Uuid)),
            bindparam("turn_ids", type_=ARRAY(Uuid)),
            bindparam("positions", type_=ARRAY(Integer)),
            bindparam("texts", type_=ARRAY(Text)),
            bindparam("kinds", type_=ARRAY(Text)),
        )
        .table_valued("user_id", "turn_id", "position", "text", "kind", name="new")
        .render_derived()
    )
    own = (
        select(_t.user_id, _t.id, _t.stop_requested, new.c.position, new.c.text, new.c.kind)
        .join_from(unsettled_turns, turns, and_(_t.user_id == _u.user_id, _t.id == _u.turn_id))
        .where(
            _u.user_id == cast(new.c.user_id, Uuid),
            _u.turn_id == cast(new.c.turn_id, Uuid),
            _u.replica_id == REPLICA_ID,
            IS_RUNNING,
        )
        .cte("own")
    )
    names = ["user_id", "turn_id", "position", "text", "kind"]
    values = (own.c.user_id, own.c.id, cast(own.c.position, Integer), cast(own.c.text, Text), cast(own.c.kind, Text))
    written = (
        postgresql.insert(reply_fragments)
        .from_select(names, select(*values).where(own.c.text != ""))
        .on_conflict_do_nothing()  # a flush that was not known to have worked is sent again
        .returning(reply_fragments.c.turn_id)
        .cte("written")
    )
    return Statement(
        select(own.c.id, own.c.stop_requested).add_cte(written),
        row=into(FlushedTurn),
        timeout_seconds=BACKGROUND_SECONDS,
    )


END_TURN = _end(interrupted=False)
INTERRUPT_TURN = _end(interrupted=True)
FLUSH = _flush()
