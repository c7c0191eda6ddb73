"""What this API asks of turns: statements that are compiled once."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import LargeBinary, and_, bindparam, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from chatkeep.chat.history.parameters import TURN_ID, USER_ID
from chatkeep.chat.history.queries import TURN_COLUMNS
from chatkeep.chat.records import TurnRecord
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import api_turns, turns

_t = turns.c
_a = api_turns.c


@dataclass(slots=True)
class ApiTurnRecord(TurnRecord):
    """A turn with what its request said; None for one that did not come through this API. No siblings are counted."""

    request: Any


API_TURN = Statement(
    select(
        *TURN_COLUMNS,
        literal_column("1").label("sibling_count"),
        literal_column("1").label("sibling_position"),
        _a.request,
    )
    .select_from(turns.outerjoin(api_turns, and_(_a.user_id == _t.user_id, _a.turn_id == _t.id)))
    .where(_t.user_id == USER_ID, _t.id == TURN_ID),
    row=into(ApiTurnRecord),
)

# Once: a request that is sent again joins the turn, and says the same.
KEEP_API_TURN = Statement(
    postgresql.insert(api_turns)
    .values(
        user_id=USER_ID,
        turn_id=TURN_ID,
        request=bindparam("request", type_=JSONB),
        path_digest=bindparam("path_digest", type_=LargeBinary),
        prompt_digest=bindparam("prompt_digest", type_=LargeBinary),
    )
    .on_conflict_do_nothing()
)
