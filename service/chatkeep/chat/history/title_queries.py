"""Conversations by their titles, which are folded and held against a filter outside of the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, cast, func, select, true

from chatkeep.chat.history.conversations import SHORT_COLUMNS, Origin, in_order
from chatkeep.chat.history.parameters import USER_ID
from chatkeep.chat.records import ConversationRecord
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import conversations

_c = conversations.c


@dataclass(frozen=True, slots=True)
class Title:
    """A conversation's name and its place in the list."""

    id: UUID
    title: str | None
    last_turn_at: datetime


def _by_ids() -> Statement[ConversationRecord]:
    """Conversations of these ids, each looked up by its key, in the order of the list."""
    ids = func.unnest(bindparam("ids", type_=ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    wanted = cast(ids.c.id, Uuid)
    found = select(*SHORT_COLUMNS).where(_c.user_id == USER_ID, _c.id.between(wanted, wanted)).limit(1).lateral("found")
    return Statement(
        select(found).select_from(ids.join(found, true())).order_by(found.c.last_turn_at.desc(), found.c.id.desc()),
        row=into(ConversationRecord),
    )


def _titles(origin: Origin | None = None) -> Statement[Title]:
    return Statement(in_order(_c.id, _c.title, _c.last_turn_at, origin=origin), row=into(Title))


TITLES = _titles()
API_TITLES = _titles("api")
UI_TITLES = _titles("ui")
PAGE_TITLES = _titles("page")
TITLES_BY_ORIGIN: Mapping[Origin | None, Statement[Title]] = {
    None: TITLES,
    "api": API_TITLES,
    "ui": UI_TITLES,
    "page": PAGE_TITLES,
}
CONVERSATIONS_BY_ID = _by_ids()
