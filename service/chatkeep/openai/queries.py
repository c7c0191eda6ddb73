"""Turns as this API looks for them: statements that are compiled once."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from chatkeep.chat.history.parameters import CONVERSATION_ID, TURN_ID, USER_ID
from chatkeep.chat.history.queries import TURN_COLUMNS, place_of_turn, turn_above
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.status import Status
from chatkeep.database.statement import Statement, first_column, into
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


def _api_turns() -> Statement[ApiTurnRecord]:
    """Turns by their ids, each looked up by its key."""
    ids = bindparam("turn_ids", type_=ARRAY(Uuid))
    given = func.unnest(ids).table_valued("id", name="given").render_derived()
    return Statement(
        select(
            *TURN_COLUMNS,
            literal_column("1").label("sibling_count"),
            literal_column("1").label("sibling_position"),
            _a.request,
        ).select_from(
            given.join(turns, and_(_t.user_id == USER_ID, _t.id == cast(given.c.id, Uuid))).outerjoin(
                api_turns, and_(_a.user_id == USER_ID, _a.turn_id == _t.id)
            )
        ),
        row=into(ApiTurnRecord),
    )


API_TURNS = _api_turns()

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


@dataclass(frozen=True, slots=True)
class AnsweredPrompt:
    """A turn by what its history is recognised by.

    Args:
        prompt_digest: None for a turn that did not come with its history.
    """

    turn_id: UUID
    conversation_id: UUID
    status: Status
    reply: str | None
    reply_items: Any
    prompt_digest: bytes | None


MAX_CANDIDATES = 20
_columns = {column.name: column for column in TURN_COLUMNS}
_answered = (
    _t.id.label("turn_id"),
    _t.conversation_id,
    _t.status,
    _columns["reply"],
    _columns["reply_items"],
    _a.prompt_digest,
)


def _by(digest: Any) -> Statement[AnsweredPrompt]:
    """The newest turns of a digest, each looked up by its key."""
    found = (
        select(_a.user_id, _a.turn_id)
        .where(_a.user_id == USER_ID, digest == bindparam(digest.name, type_=LargeBinary))
        .order_by(_a.turn_id.desc())
        .limit(MAX_CANDIDATES)
        .subquery("found")
    )
    return Statement(
        select(*_answered)
        .select_from(
            found.join(api_turns, and_(_a.user_id == USER_ID, _a.turn_id == found.c.turn_id)).join(
                turns, and_(_t.user_id == USER_ID, _t.id == found.c.turn_id)
            )
        )
        .order_by(found.c.turn_id.desc()),
        row=into(AnsweredPrompt),
    )


TURNS_BY_PATH = _by(_a.path_digest)
TURNS_BY_PROMPT = _by(_a.prompt_digest)


@dataclass(frozen=True, slots=True)
class SentTurn:
    """A turn, by its place."""

    turn_id: UUID
    conversation_id: UUID


# The newest turn since `since_id` that the same request asked for, where it has a reply or is getting one.
SENT_TURN = Statement(
    select(_t.id.label("turn_id"), _t.conversation_id)
    .select_from(api_turns.join(turns, and_(_t.user_id == USER_ID, _t.id == _a.turn_id)))
    .where(
        _a.user_id == USER_ID,
        _a.path_digest == bindparam("path_digest", type_=LargeBinary),
        _a.turn_id > bindparam("since_id", type_=Uuid),
        _a.request["sent"].astext == bindparam("sent", type_=Text),
        or_(_t.status == "streaming", _t.status == "complete"),
    )
    .order_by(_a.turn_id.desc())
    .limit(1),
    row=into(SentTurn),
)


def _known_paths() -> Statement[bytes]:
    """Which of the digests are of histories that the user has, each looked up by its key: PostgreSQL 15 goes through
    all that the user has for `= ANY (...)`.
    """
    digests = bindparam("path_digests", type_=ARRAY(LargeBinary))
    given = func.unnest(digests).table_valued("digest", name="given").render_derived()
    known = (
        select(_a.path_digest)
        .where(_a.user_id == USER_ID, _a.path_digest == cast(given.c.digest, LargeBinary))
        .limit(1)
        .lateral("known")
    )
    return Statement(select(known.c.path_digest).select_from(given.join(known, true())), row=first_column)


KNOWN_PATHS = _known_paths()


def _path_above() -> Statement[AnsweredPrompt]:
    """At most `limit` turns from `start_id` up, newest first."""
    start = place_of_turn(bindparam("start_id", type_=Uuid)).add_columns(
        bindparam("limit", type_=Integer).label("still")
    )
    path = start.cte("path", recursive=True)
    above = turn_above(path, USER_ID, CONVERSATION_ID)
    path = path.union_all(
        select(above.c.id, above.c.position, above.c.parent_id, path.c.still - 1)
        .select_from(path.join(above, true()))
        .where(path.c.still > 1)
    )
    return Statement(
        select(*_answered)
        .select_from(
            path.join(turns, and_(_t.user_id == USER_ID, _t.id == path.c.id)).outerjoin(
                api_turns, and_(_a.user_id == USER_ID, _a.turn_id == path.c.id)
            )
        )
        .order_by(path.c.position.desc()),
        row=into(AnsweredPrompt),
    )


PATH_ABOVE = _path_above()
