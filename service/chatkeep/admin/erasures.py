"""`/api/v1/admin/erasures`: proof that an account was deleted, from the audit trail."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from chatkeep.accounts.dependencies import AccountsDep, require_administrator
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.accounts.usernames import username_key
from chatkeep.admin.audit import NUMBER, place_of
from chatkeep.audit.actions import Action
from chatkeep.audit.events import StoredEvent
from chatkeep.audit.queries import event_at, events_about
from chatkeep.errors import NotFound
from chatkeep.http.bodies import JsonRoute, SearchText
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time

MAX_ERASURES = 50

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


class Erasure(Answer):
    """An account that was deleted, and what was deleted with it."""

    receipt: str
    at: Time
    user_id: UUID | None
    deleted: dict[str, int]

    @classmethod
    def of(cls, stored: StoredEvent) -> Self:
        event = stored.event
        name_id, counts = event.details.get("name_id"), event.details.get("deleted")
        accounts = [each for each in event.subject_ids if str(each) != name_id]
        return cls(
            receipt=event.number,
            at=event.created_at,
            user_id=accounts[0] if accounts else None,
            deleted=_counts(counts) if isinstance(counts, Mapping) else {},
        )


def _counts(counts: Mapping[str, object]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if isinstance(count, int)}


class Erasures(Answer):
    items: list[Erasure]


@router.get("/erasures", responses=error_responses(401, 403, 422, 503))
@needs(Scope.ADMIN)
async def find_erasures(
    accounts: AccountsDep,
    user_id: UUID | None = None,
    username: Annotated[SearchText | None, Query(description="The deleted account's, but for case and width.")] = None,
) -> Erasures:
    """Return the deletions of an account by its id or by its name, newest first.

    The trail keeps no names: the deletion is found by a keyed digest of the one that is asked for.
    """
    subjects: list[UUID] = [] if user_id is None else [user_id]
    if username is not None:
        subjects += accounts.trail.keys.name_ids(username_key(username))
    return Erasures(items=[Erasure.of(each) for each in await _deletions_of(accounts, subjects)])


@router.get("/erasures/{receipt}", responses=error_responses(401, 403, 404, 422, 503))
@needs(Scope.ADMIN)
async def read_erasure(
    receipt: Annotated[str, Path(pattern=NUMBER, examples=["3-1042"])], accounts: AccountsDep
) -> Erasure:
    """Return the deletion with this number, which deleting the account gave."""
    chain, seq = place_of(receipt)
    async with accounts.database.transaction() as connection:
        stored = await event_at(connection, chain, seq)
    if stored is None or stored.event.action != Action.USER_DELETED:
        raise NotFound
    return Erasure.of(stored)


async def _deletions_of(accounts: AccountsDep, subjects: Sequence[UUID]) -> list[StoredEvent]:
    if not subjects:
        return []
    async with accounts.database.transaction() as connection:
        return await events_about(connection, subjects, Action.USER_DELETED, limit=MAX_ERASURES)
