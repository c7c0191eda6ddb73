"""The statement that begins a turn: the function of `sql/begin_turn_1.sql`."""

from sqlalchemy import ARRAY, Boolean, Integer, LargeBinary, Text, Uuid, bindparam
from sqlalchemy.dialects.postgresql import JSONB

from chatkeep.chat.history.parameters import CONVERSATION_ID, NOW, REPLICA_ID, TURN_ID, USER_ID
from chatkeep.chat.history.turn import EARLIER, Beginning
from chatkeep.database.functions import call
from chatkeep.database.statement import Statement

_ARGUMENTS = (
    USER_ID,
    CONVERSATION_ID,
    TURN_ID,
    REPLICA_ID,
    NOW,
    bindparam("parent_id", type_=Uuid),
    bindparam("sibling_of", type_=Uuid),
    bindparam("prompt", type_=Text),
    bindparam("prompt_items", type_=JSONB(none_as_null=True)),
    bindparam("continues", type_=Boolean),
    bindparam("model", type_=Text),
    bindparam("default_model", type_=Text),
    bindparam("params", type_=JSONB),
    bindparam("idempotency_key", type_=Text),
    bindparam("request_digest", type_=LargeBinary),
    bindparam("title", type_=Text),
    bindparam("context_bytes", type_=Integer),
    bindparam("file_ids", type_=ARRAY(Uuid)),
)
_COLUMNS = (
    "verdict",
    "streaming_turn_id",
    "same_id",
    "same_digest",
    "parent_id",
    "position",
    "sibling_count",
    "prompt",
    "prompt_items",
    "continues",
    "system_prompt",
    "model",
    "params",
    *(f"earlier_{name}" for name in EARLIER),
)

BEGIN_TURN = Statement(call("begin_turn_1", _ARGUMENTS, _COLUMNS), row=Beginning.from_row)
