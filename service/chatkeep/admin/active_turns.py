"""Answers in progress, of all users."""

from uuid import UUID

from sqlalchemy import BigInteger, and_, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.chat.reply_log import ITEM
from chatkeep.database.tables import IS_RUNNING, reply_fragments, turns, unsettled_turns, users
from chatkeep.http.schemas import Answer, Time

_t, _f, _u = turns.c, reply_fragments.c, unsettled_turns.c


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
    running = select(_u.user_id, _u.turn_id).where(IS_RUNNING)
    if after is not None:
        running = running.where(_u.turn_id < after)
    newest = running.order_by(_u.turn_id.desc()).limit(limit).subquery("newest")
    page = select(_t.user_id, _t.id, _t.conversation_id, _t.model, _t.created_at)
    page = page.join(newest, and_(_t.user_id == newest.c.user_id, _t.id == newest.c.turn_id))
    found = page.subquery("found")
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
