"""Turns as this protocol looks for them: statements that are compiled once."""

from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, bindparam, cast, func, select, true

from chatkeep.chat.history.parameters import CONVERSATION_ID, USER_ID
from chatkeep.database.statement import Statement, first_column
from chatkeep.database.tables import conversations, turns

_c = conversations.c
_t = turns.c

# The turn of a conversation that is being answered.
RUNNING_TURN: Statement[UUID] = Statement(
    select(_t.id)
    .select_from(conversations.join(turns, and_(_t.user_id == _c.user_id, _t.id == _c.streaming_turn_id)))
    .where(_c.user_id == USER_ID, _c.id == CONVERSATION_ID, _t.status == "streaming"),
    row=first_column,
)

# One of the turns that a conversation begins with.
ROOT_TURN: Statement[UUID] = Statement(
    select(_t.id)
    .where(_t.user_id == USER_ID, _t.conversation_id == CONVERSATION_ID, _t.position == 0)
    .order_by(_t.id)
    .limit(1),
    row=first_column,
)


def _known_turns() -> Statement[UUID]:
    """The ids that are of turns of the conversation, each looked up by its key."""
    ids = bindparam("turn_ids", type_=ARRAY(Uuid))
    given = func.unnest(ids).table_valued("id", name="given").render_derived()
    known = (
        select(_t.id)
        .where(_t.user_id == USER_ID, _t.id == cast(given.c.id, Uuid), _t.conversation_id == CONVERSATION_ID)
        .limit(1)
        .lateral("known")
    )
    return Statement(select(known.c.id).select_from(given.join(known, true())), row=first_column)


KNOWN_TURNS = _known_turns()
