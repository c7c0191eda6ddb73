"""The statements of a turn's life, each built once and run as one auto-committed statement.

Locks are always taken in the order conversation, turn, counters. Deleting takes them in the same order.
"""

from sqlalchemy import (
    ARRAY,
    Float,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from service.chat.fragments import written_text
from service.chat.search.statements import kept_lexemes, pending_lexemes
from service.database.hot import BACKGROUND_SECONDS, Statement
from service.database.tables import TIME, conversations, replicas, reply_fragments, turns, user_activity
from service.statistics.notes import noted_turn

_user_id = bindparam("user_id", type_=Uuid)
_conversation_id = bindparam("conversation_id", type_=Uuid)
_turn_id = bindparam("turn_id", type_=Uuid)
_replica_id = bindparam("replica_id", type_=Uuid)
_now = bindparam("now", type_=TIME)

_c = conversations.c
_t = turns.c


def _begin() -> Statement:
    """Lock the conversation, keep the turn, and return what the model has to know: one statement.

    Under READ COMMITTED a statement that waited for a row's lock sees that row as it is now and everything else
    as it was before. `verdict` finds that out by comparing the conversation with itself, and says `stale`: nothing
    was written, run it again.
    """
    own = and_(_c.user_id == _user_id, _c.id == _conversation_id)
    locked = (
        select(_c.head_turn_id, _c.streaming_turn_id, _c.system_prompt, _c.model, _c.params)
        .where(own)
        .with_for_update()
        .cte("locked")
    )
    before = select(_c.head_turn_id, _c.streaming_turn_id).where(own).cte("before")
    same_key = (
        select(_t.id, _t.request_digest)
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.idempotency_key == bindparam("idempotency_key", type_=Text),
        )
        .cte("same_key")
    )
    asked_parent = bindparam("parent_id", type_=Uuid)
    beside = (
        select(_t.parent_id, _t.prompt)
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.id == bindparam("beside_id", type_=Uuid),
        )
        .cte("beside")
    )
    is_beside = bindparam("beside_id", type_=Uuid).is_not(None)
    parent_id = case(
        (is_beside, select(beside.c.parent_id).scalar_subquery()),
        else_=func.coalesce(asked_parent, select(locked.c.head_turn_id).scalar_subquery()),
    )
    parent = (
        select(_t.id, _t.position, _t.parent_id, _t.prompt, _t.reply)
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.id == parent_id,
        )
        .cte("parent")
    )
    verdict = (
        select(
            case(
                (
                    or_(
                        locked.c.head_turn_id.is_distinct_from(before.c.head_turn_id),
                        locked.c.streaming_turn_id.is_distinct_from(before.c.streaming_turn_id),
                    ),
                    "stale",
                ),
                (same_key.c.id.is_not(None), "repeated"),
                (locked.c.streaming_turn_id.is_not(None), "in_progress"),
                (and_(asked_parent.is_not(None), parent.c.id.is_(None)), "no_parent"),
                (and_(is_beside, ~exists().select_from(beside)), "no_parent"),
                else_="begun",
            ).label("verdict"),
            locked.c.streaming_turn_id,
            locked.c.system_prompt,
            func.coalesce(bindparam("model", type_=Text), locked.c.model, bindparam("default_model", type_=Text)).label(
                "model"
            ),
            locked.c.params.concat(bindparam("params", type_=JSONB)).label("params"),
            same_key.c.id.label("same_id"),
            same_key.c.request_digest.label("same_digest"),
            parent.c.id.label("parent_id"),
            func.coalesce(parent.c.position + 1, 0).label("position"),
            func.coalesce(bindparam("prompt", type_=Text), select(beside.c.prompt).scalar_subquery()).label("prompt"),
        )
        .select_from(locked.join(before, true()).outerjoin(same_key, true()).outerjoin(parent, true()))
        .cte("verdict")
    )
    kept = (
        insert(turns)
        .from_select(
            [
                "user_id",
                "id",
                "conversation_id",
                "parent_id",
                "position",
                "status",
                "prompt",
                "model",
                "params",
                "idempotency_key",
                "request_digest",
                "replica_id",
                "created_at",
            ],
            select(
                _user_id,
                _turn_id,
                _conversation_id,
                verdict.c.parent_id,
                verdict.c.position,
                literal("streaming"),
                verdict.c.prompt,
                verdict.c.model,
                verdict.c.params,
                bindparam("idempotency_key", type_=Text),
                bindparam("request_digest", type_=turns.c.request_digest.type),
                _replica_id,
                _now,
            ).where(verdict.c.verdict == "begun"),
        )
        .returning(_t.id)
        .cte("kept")
    )
    moved = (
        update(conversations)
        .where(own, kept.c.id == _turn_id)
        .values(
            head_turn_id=kept.c.id,
            streaming_turn_id=kept.c.id,
            turn_count=_c.turn_count + 1,
            title=func.coalesce(_c.title, bindparam("title", type_=Text)),
            updated_at=_now,
            last_turn_at=_now,
        )
        .returning(_c.id)
        .cte("moved")
    )
    counted = (
        update(user_activity)
        .where(user_activity.c.user_id == _user_id, moved.c.id == _conversation_id)
        .values(turn_count=user_activity.c.turn_count + 1)
        .returning(user_activity.c.user_id)
        .cte("counted")
    )
    earlier = select(
        parent.c.parent_id,
        parent.c.position,
        parent.c.prompt,
        parent.c.reply,
        (func.octet_length(parent.c.prompt) + func.coalesce(func.octet_length(parent.c.reply), 0)).label("bytes"),
    ).cte("earlier", recursive=True)
    above = turns.alias("above")
    earlier = earlier.union_all(
        select(
            above.c.parent_id,
            above.c.position,
            above.c.prompt,
            above.c.reply,
            earlier.c.bytes + func.octet_length(above.c.prompt) + func.coalesce(func.octet_length(above.c.reply), 0),
        ).where(
            above.c.user_id == _user_id,
            above.c.id == earlier.c.parent_id,
            earlier.c.bytes < bindparam("context_bytes", type_=Integer),
        )
    )
    siblings = (
        select(func.count())
        .where(
            _t.user_id == _user_id,
            _t.conversation_id == _conversation_id,
            _t.position == verdict.c.position,
            _t.parent_id.is_not_distinct_from(verdict.c.parent_id),
        )
        .correlate(verdict)
        .scalar_subquery()
    )
    newest_first = earlier.c.position.desc()
    return Statement(
        select(
            verdict,
            (siblings + 1).label("sibling_count"),
            select(func.array_agg(aggregate_order_by(earlier.c.prompt, newest_first)))
            .scalar_subquery()
            .label("earlier_prompts"),
            select(func.array_agg(aggregate_order_by(earlier.c.reply, newest_first)))
            .scalar_subquery()
            .label("earlier_replies"),
        ).add_cte(locked, before, same_key, beside, parent, kept, moved, counted)
    )


def _end(*, interrupted: bool) -> Statement:
    """Keep how a turn ended, unless somebody else did before; return the turn.

    Where its process died (`interrupted`), the reply is what had been written down of it. What the turn is found by
    is kept in the same statement, or, where only the database knows the text, that it is to be made.
    """
    locked = select(_c.id).where(_c.user_id == _user_id, _c.id == _conversation_id).with_for_update().cte("locked")
    values: dict[str, object] = {"completed_at": _now}
    if interrupted:
        values |= {"status": "interrupted", "reply": written_text(_user_id, _turn_id)}
    else:
        names = ("status", "reply", "input_tokens", "output_tokens", "error_code", "error_detail")
        values |= {name: bindparam(name, type_=turns.c[name].type) for name in names}
        values["model"] = func.coalesce(_t.model, bindparam("default_model", type_=Text))
    ended = (
        update(turns)
        .where(
            _t.user_id == _user_id,
            _t.id == _turn_id,
            _t.conversation_id == locked.c.id,
            _t.status == "streaming",
            _t.replica_id == _replica_id,
        )
        .values(**values)
        .returning(turns)
        .cte("ended")
    )
    released = (
        update(conversations)
        .where(
            _c.user_id == _user_id,
            _c.id == ended.c.conversation_id,
            _c.streaming_turn_id == ended.c.id,
        )
        .values(streaming_turn_id=None, updated_at=_now)
        .returning(_c.id)
        .cte("released")
    )
    cleared = (
        delete(reply_fragments)
        .where(
            reply_fragments.c.user_id == _user_id,
            reply_fragments.c.turn_id == ended.c.id,
        )
        .returning(reply_fragments.c.position)
        .cte("cleared")
    )
    first_text_ms = null() if interrupted else bindparam("first_text_ms", type_=Integer)
    noted = noted_turn(ended, _now, first_text_ms)
    findable = pending_lexemes(ended) if interrupted else kept_lexemes(ended)
    return Statement(select(ended).add_cte(released, cleared, noted, findable), timeout_seconds=BACKGROUND_SECONDS)


def _flush() -> Statement:
    """Append what was generated since; return the turns that are still this process's, and which are to stop."""
    new = (
        func.unnest(
            bindparam("user_ids", type_=ARRAY(Uuid)),
            bindparam("turn_ids", type_=ARRAY(Uuid)),
            bindparam("positions", type_=ARRAY(Integer)),
            bindparam("texts", type_=ARRAY(Text)),
        )
        .table_valued("user_id", "turn_id", "position", "text", name="new")
        .render_derived()
    )
    own = (
        select(_t.user_id, _t.id, _t.stop_requested, new.c.position, new.c.text)
        .where(
            _t.user_id == cast(new.c.user_id, Uuid),
            _t.id == cast(new.c.turn_id, Uuid),
            _t.status == "streaming",
            _t.replica_id == _replica_id,
        )
        .cte("own")
    )
    names = ["user_id", "turn_id", "position", "text"]
    written = (
        postgresql.insert(reply_fragments)
        .from_select(
            names,
            select(own.c.user_id, own.c.id, cast(own.c.position, Integer), cast(own.c.text, Text)).where(
                own.c.text != ""
            ),
        )
        .on_conflict_do_nothing()  # a flush that was not known to have worked is sent again
        .returning(reply_fragments.c.turn_id)
        .cte("written")
    )
    return Statement(select(own.c.id, own.c.stop_requested).add_cte(written), timeout_seconds=BACKGROUND_SECONDS)


def _renew_lease() -> Statement:
    expires_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Float))
    new = postgresql.insert(replicas).values(
        id=_replica_id,
        started_at=_now,
        lease_expires_at=expires_at,
        machine=bindparam("machine", type_=Text),
        pid=bindparam("pid", type_=Integer),
        process_began_at=bindparam("process_began_at", type_=TIME),
    )
    return Statement(
        new.on_conflict_do_update(
            index_elements=["id"], set_={"lease_expires_at": new.excluded.lease_expires_at}
        ).returning(replicas.c.lease_expires_at)
    )


BEGIN_TURN = _begin()
TURN_BY_KEY = Statement(
    select(_t.id, _t.request_digest, _t.created_at).where(
        _t.user_id == _user_id,
        _t.conversation_id == _conversation_id,
        _t.idempotency_key == bindparam("idempotency_key", type_=Text),
    )
)
END_TURN = _end(interrupted=False)
INTERRUPT_TURN = _end(interrupted=True)
FLUSH = _flush()
RENEW_LEASE = _renew_lease()
END_LEASE = Statement(delete(replicas).where(replicas.c.id == _replica_id))
NEIGHBOURS = Statement(
    select(replicas.c.id, replicas.c.machine, replicas.c.pid, replicas.c.process_began_at).where(
        replicas.c.lease_expires_at >= func.now(),
        replicas.c.machine == bindparam("machine", type_=Text),
        replicas.c.id != _replica_id,
    )
)

# Turns that this process is generating, as far as the database knows.
STREAMING_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id).where(_t.status == "streaming", _t.replica_id == _replica_id)
)

# Turns whose process is gone: it ended, or its lease ran out.
ABANDONED_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id, _t.replica_id)
    .select_from(turns.outerjoin(replicas, replicas.c.id == _t.replica_id))
    .where(_t.status == "streaming", or_(replicas.c.id.is_(None), replicas.c.lease_expires_at < func.now()))
    .limit(100)
)
FORGET_DEAD_REPLICAS = Statement(
    delete(replicas).where(
        replicas.c.lease_expires_at < func.now() - func.make_interval(0, 0, 0, 1),
    )
)

# Asked of the row, whoever generates it; its process learns of it with its next flush.
REQUEST_STOP = Statement(
    update(turns)
    .where(
        _t.user_id == _user_id,
        _t.conversation_id == _conversation_id,
        _t.id == _turn_id,
        _t.status == "streaming",
    )
    .values(stop_requested=True)
    .returning(_t.id)
)
