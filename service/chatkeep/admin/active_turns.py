"""Answers in progress, of all users."""

from uuid import UUID

from sqlalchemy import BigInteger, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.reply_log import ITEM
from chatkeep.database.tables import IS_STREAMING, reply_fragments, turns, users
from chatkeep.http.schemas import Answer, Time

_t, _f = turns.c, reply_fragments.c


class RunningTurn(Answer):
    """A turn that is being answered. Nothing of what is said in it: that would be a reading, which goes on record."""

    id: UUID
    conversation_id: UUID
    user_id: UUID
    username: str
    model: str | None
    created_at: Time
    characters: int


async def running_page(connection: AsyncConnection, *, after: UUID | None, limit: int) -> list[RunningTurn]:
    """Return at most `limit` turns that are being answered, newest first, from after the turn `after`, each with how
    many characters of its reply are written down.
    """
    page = select(_t.user_id, _t.id, _t.conversation_id, _t.model, _t.created_at)
    page = page.where(IS_STREAMING)
    if after is not None:
        page = page.where(_t.id < after)
    found = page.order_by(_t.id.desc()).limit(limit).subquery("found")
    # The last fragment tells how long all of them are.
    last = (
        select(
            (cast(_f.position, BigInteger) + case((_f.kind == ITEM, 1), else_=func.char_length(_f.text))).label(
                "characters"
            )
        )
        .where(_f.user_id == found.c.user_id, _f.turn_id == found.c.id)
        .order_by(_f.position.desc())
        .limit(1)
        .lateral("last")
    )
    # Of each by itself: joined to so few, all users may be read.
    username = select(users.c.username).where(users.c.id == found.c.user_id).scalar_subquery()
    query = (
        select(found, username.label("username"), func.coalesce(last.c.characters, 0).label("characters"))
        .select_from(found)
        .outerjoin(last, true())
        .order_by(found.c.id.desc())
    )
    return [RunningTurn.model_validate(row) for row in await connection.execute(query)]
