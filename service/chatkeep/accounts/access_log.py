"""`/api/v1/auth/me/access-log`: who looked at what the asker wrote."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter

from chatkeep.accounts.dependencies import DatabaseDep, SignedIn
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.audit.queries import HistoryRead, reads_page
from chatkeep.database.stored_json import object_of
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time, one_of

router = APIRouter(prefix="/api/v1/auth/me", tags=["Accounts"], route_class=JsonRoute)


class HistoryAccess(Answer):
    """One time that somebody else looked. Not from where, nor why: a reason may tell of others."""

    id: UUID
    created_at: Time
    action: Annotated[str, one_of("history_read", "conversation_read", "file_read", "history_exported")]
    reader_kind: Annotated[str, one_of("user", "operator", "service")]
    reader: str | None
    conversation_id: UUID | None

    @classmethod
    def of(cls, read: HistoryRead) -> Self:
        return cls(
            id=read.id,
            created_at=read.created_at,
            action=read.action,
            reader_kind=read.actor_kind,
            reader=read.username,
            conversation_id=_id_in(object_of(read.details).get("conversation_id")),
        )


def _id_in(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


@router.get("/access-log", responses=error_responses(401, 422, 503))
@needs(Scope.ACCOUNT)
async def list_history_accesses(
    identity: SignedIn, database: DatabaseDep, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
) -> Page[HistoryAccess]:
    """Return who else read this account's history, newest first.

    `reader` is the administrator's name, or null where the account is gone or an operator read it in the terminal.
    """
    after = cursor_of_id(cursor, of="access-log")
    async with database.transaction() as connection:
        rows = await reads_page(connection, identity.user_id, after=after, limit=limit + 1)
    return page_of(rows, limit, HistoryAccess.of, of="access-log")
