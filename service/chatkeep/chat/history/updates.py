"""The statements of a turn's life, each built once and run as one auto-committed statement.

Locks are always taken in the order conversation, turn, counters. Deleting takes them in the same order.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, Uuid, bindparam, cast, delete, func, null, or_, select, update
from sqlalchemy.dialects import postgresql

from chatkeep.chat.history.fragments import written_items, written_text
from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, REPLICA_ID, TURN_ID, USER_ID
from chatkeep.chat.history.turn import UnfinishedTurn
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.search.index_queries import kept_lexemes, pending_lexemes
from chatkeep.database.statement import BACKGROUND_SECONDS, Statement, into
from chatkeep.database.tables import (
    IS_STREAMING,
    conversations,
    reasoning_search,
    replicas,
    reply_fragments,
    turn_search,
    turns,
)
from chatkeep.statistics.outbox import note_turn

_c = conversations.c
_t = turns.c


@dataclass(frozen=True, slots=True)
class KeyedTurn:
    """The turn that a request with an idempotency key began, and the digest of that request."""

    id: UUID
    request_digest: bytes | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FlushedTurn:
    """A turn that is still this process's, and whether somebody asked for its end."""

    id: UUID
    stop_requested: bool


# The columns of a turn's row that `chatkeep.chat.history.turn.Outcome` tells.
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

# Turns that a replica is generating, as far as the database knows.
STREAMING_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id, _t.replica_id).where(IS_STREAMING, _t.replica_id == REPLICA_ID),
    row=into(UnfinishedTurn),
)

# Turns whose process is gone: it ended, or its lease ran out.
STALLED_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id, _t.replica_id)
    .select_from(turns.outerjoin(replicas, replicas.c.id == _t.replica_id))
    .where(IS_STREAMING, or_(replicas.c.id.is_(None), replicas.c.lease_expires_at < func.now()))
    .limit(100),
    row=into(UnfinishedTurn),
)


def _end(*, interrupted: bool) -> Statement[TurnRecord]:
    """Keep how a turn ended, unless somebody else did before; return the turn.

    Where its process died (`interrupted`), the reply is what had been written down of it. What the turn is found by
    is kept in the same statement, or, where only the database knows the text, that it is to be made.
    """
    locked = select(_c.id).where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID).with_for_update().cte("locked")
    # Nobody generates it any more; what that leaves free takes up what only the end tells.
    values: dict[str, object] = {"completed_at": NOW, "replica_id": None}
    if interrupted:
        values |= {
            "status": "interrupted",
            "reply": written_text(USER_ID, TURN_ID),
            "reply_items": written_items(USER_ID, TURN_ID),
        }
    else:
        values |= {name: bindparam(name, type_=turns.c[name].type) for name in OUTCOME}
        values["model"] = func.coalesce(_t.model, bindparam("default_model", type_=Text))
    ended = (
        update(turns)
        .where(
            _t.user_id == USER_ID,
            _t.id == TURN_ID,
            _t.conversation_id == locked.c.id,
            _t.status == "streaming",
            _t.replica_id == REPLICA_ID,
        )
        .values(**values)
        .returning(turns)
        .cte("ended")
    )
    released = (
        update(conversations)
        .where(
            _c.user_id == USER_ID,
            _c.id == ended.c.conversation_id,
            _c.streaming_turn_id == ended.c.id,
        )
        .values(streaming_turn_id=None, updated_at=NOW)
        .returning(_c.id)
        .cte("released")
    )
    cleared = (
        delete(reply_fragments)
        .where(
            reply_fragments.c.user_id == USER_ID,
            reply_fragments.c.turn_id == ended.c.id,
        )
        .returning(reply_fragments.c.position)
        .cte("cleared")
    )
    first_text_ms = null() if interrupted else bindparam("first_text_ms", type_=Integer)
    noted = note_turn(ended, NOW, first_text_ms)
    found_by = [
        pending_lexemes(ended, entries) if interrupted else kept_lexemes(ended, entries, name)
        for entries, name in ((turn_search, "lexemes"), (reasoning_search, "reasoning_lexemes"))
    ]
    return Statement(
        select(ended).add_cte(released, cleared, noted, *found_by),
        row=into(TurnRecord, 1, 1),
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
        .where(
            _t.user_id == cast(new.c.user_id, Uuid),
            _t.id == cast(new.c.turn_id, Uuid),
            _t.status == "streaming",
            _t.replica_id == REPLICA_ID,
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
