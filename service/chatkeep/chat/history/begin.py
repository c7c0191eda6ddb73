"""The statement that begins a turn."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, REPLICA_ID, TURN_ID, USER_ID
from chatkeep.chat.history.queries import turn_above
from chatkeep.chat.history.turn import EARLIER, Beginning
from chatkeep.database.statement import Statement
from chatkeep.database.tables import conversations, turn_files, turns, user_activity

_c = conversations.c
_t = turns.c


# Which items a model is shown, with the reasoning between its calls and without. All others may be large.
_SENT: ColumnElement[Any] = literal_column(
    """'$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output)$")'::jsonpath"""
)
_ASKED: ColumnElement[Any] = literal_column(
    """'$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output|image|file)$")'::jsonpath"""
)
_SENT_OF_CALLS: ColumnElement[Any] = literal_column(
    """'$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output|reasoning)$")'::jsonpath"""
)
_CALLS: ColumnElement[Any] = literal_column("""'[{"type": "function_call"}]'::jsonb""")


def _shown(turn: Any) -> tuple[Any, ...]:
    """The columns of `EARLIER`, of a turn on the path."""
    replied = case(
        (turn.c.reply_items.contains(_CALLS), func.jsonb_path_query_array(turn.c.reply_items, _SENT_OF_CALLS)),
        else_=func.jsonb_path_query_array(turn.c.reply_items, _SENT),
    )
    asked = func.jsonb_path_query_array(turn.c.prompt_items, _ASKED)
    return (
        turn.c.prompt,
        turn.c.reply,
        asked.label("prompt_items"),
        replied.label("reply_items"),
        turn.c.continues,
    )


def _size(turn: Any) -> Any:
    """How many bytes a model would be shown of a turn."""
    size = func.octet_length(turn.c.prompt) + func.coalesce(func.octet_length(turn.c.reply), 0)
    for items, shown in ((turn.c.prompt_items, _ASKED), (turn.c.reply_items, _SENT)):
        sent = cast(func.jsonb_path_query_array(items, shown), Text)
        size = size + func.coalesce(func.octet_length(sent), 0)
    return size


def _references(kept: Any, is_same_prompt: ColumnElement[bool]) -> Any:
    """Note which files the turn refers to: those of its prompt, or of the prompt that it has from another turn."""
    given = func.unnest(bindparam("file_ids", type_=ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    of_prompt = select(cast(given.c.id, Uuid).label("file_id"))
    of_sibling = select(turn_files.c.file_id).where(
        turn_files.c.user_id == USER_ID,
        turn_files.c.turn_id == bindparam("sibling_of", type_=Uuid),
        is_same_prompt,
    )
    found = of_prompt.union(of_sibling).subquery("found")
    refer = select(USER_ID, kept.c.id, found.c.file_id).select_from(kept.join(found, true()))
    return insert(turn_files).from_select(["user_id", "turn_id", "file_id"], refer).cte("referring")


def _begin(*, with_files: bool) -> Statement[Beginning]:
    """Lock the conversation, keep the turn, and return what the model has to know: one statement.

    Under READ COMMITTED a statement that waited for a row's lock sees that row as it is now and everything else
    as it was before. `verdict` finds that out by comparing the conversation with itself, and says `stale`: nothing
    was written, run it again.

    Args:
        with_files: note to which files the turn refers, of `file_ids` and of a prompt that is taken from another turn.
    """
    own = and_(_c.user_id == USER_ID, _c.id == CONVERSATION_ID)
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
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            _t.idempotency_key == bindparam("idempotency_key", type_=Text),
        )
        .cte("same_key")
    )
    asked_parent = bindparam("parent_id", type_=Uuid)
    beside = (
        select(_t.parent_id, _t.prompt, _t.prompt_items, _t.continues)
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            _t.id == bindparam("sibling_of", type_=Uuid),
        )
        .cte("beside")
    )
    is_beside = bindparam("sibling_of", type_=Uuid).is_not(None)
    is_same_prompt = bindparam("prompt", type_=Text).is_(None)
    parent_id = case(
        (is_beside, select(beside.c.parent_id).scalar_subquery()),
        else_=func.coalesce(asked_parent, select(locked.c.head_turn_id).scalar_subquery()),
    )
    parent = (
        select(
            _t.id,
            _t.position,
            _t.parent_id,
            _t.prompt,
            _t.reply,
            _t.prompt_items,
            _t.reply_items,
            _t.continues,
        )
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
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
            case(
                (is_same_prompt, select(beside.c.prompt_items).scalar_subquery()),
                else_=bindparam("prompt_items", type_=JSONB),
            ).label("prompt_items"),
            case(
                (is_same_prompt, select(beside.c.continues).scalar_subquery()),
                else_=bindparam("continues", type_=Boolean),
            ).label("continues"),
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
                "prompt_items",
                "continues",
            ],
            select(
                USER_ID,
                TURN_ID,
                CONVERSATION_ID,
                verdict.c.parent_id,
                verdict.c.position,
                literal("streaming"),
                verdict.c.prompt,
                verdict.c.model,
                verdict.c.params,
                bindparam("idempotency_key", type_=Text),
                bindparam("request_digest", type_=turns.c.request_digest.type),
                REPLICA_ID,
                NOW,
                verdict.c.prompt_items,
                verdict.c.continues,
            ).where(verdict.c.verdict == "begun"),
        )
        .returning(_t.id)
        .cte("kept")
    )
    moved = (
        update(conversations)
        .where(own, kept.c.id == TURN_ID)
        .values(
            head_turn_id=kept.c.id,
            streaming_turn_id=kept.c.id,
            turn_count=_c.turn_count + 1,
            title=func.coalesce(_c.title, bindparam("title", type_=Text)),
            updated_at=NOW,
            last_turn_at=NOW,
        )
        .returning(_c.id)
        .cte("moved")
    )
    counted = (
        update(user_activity)
        .where(user_activity.c.user_id == USER_ID, moved.c.id == CONVERSATION_ID)
        .values(turn_count=user_activity.c.turn_count + 1)
        .returning(user_activity.c.user_id)
        .cte("counted")
    )
    earlier = select(
        parent.c.parent_id,
        parent.c.position,
        *_shown(parent),
        _size(parent).label("bytes"),
    ).cte("earlier", recursive=True)
    above = turn_above(earlier, USER_ID, CONVERSATION_ID)
    earlier = earlier.union_all(
        select(
            above.c.parent_id,
            above.c.position,
            *_shown(above),
            earlier.c.bytes + _size(above),
        )
        .select_from(earlier.join(above, true()))
        .where(earlier.c.bytes < bindparam("context_bytes", type_=Integer))
    )
    siblings = (
        select(func.count())
        .where(
            _t.user_id == USER_ID,
            _t.conversation_id == CONVERSATION_ID,
            _t.position == verdict.c.position,
            _t.parent_id.is_not_distinct_from(verdict.c.parent_id),
        )
        .correlate(verdict)
        .scalar_subquery()
    )
    newest_first = earlier.c.position.desc()
    referring = [_references(kept, is_same_prompt)] if with_files else []
    return Statement(
        select(
            verdict,
            (siblings + 1).label("sibling_count"),
            *(
                select(func.array_agg(aggregate_order_by(earlier.c[name], newest_first)))
                .scalar_subquery()
                .label(f"earlier_{name}")
                for name in EARLIER
            ),
        ).add_cte(locked, before, same_key, beside, parent, kept, moved, counted, *referring),
        row=Beginning.from_row,
    )


BEGIN_TURN = _begin(with_files=False)
# Of a prompt that may have files: a turn of plain text runs nothing for them.
BEGIN_TURN_WITH_FILES = _begin(with_files=True)
