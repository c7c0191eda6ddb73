"""`/api/v1/admin/audit`: who did or read what."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.dependencies import AccountsDep, DatabaseDep, require_administrator
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.accounts.usernames import username_key
from chatkeep.admin.dependencies import BEHIND, ReadsDep
from chatkeep.admin.user_queries import user_id_by_name
from chatkeep.audit.actions import Action
from chatkeep.audit.events import StoredEvent
from chatkeep.audit.queries import EventFilters, events_page, usernames_in
from chatkeep.http.bodies import JsonRoute, Moment, SearchText
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, StoredObject, Time, one_of

QUERY_TIMEOUT_SECONDS = 10
NAMED = "The {}'s username, exactly but for case and width; of an account that is still there."
TOO_SLOW = (503, "That took too long and was stopped. Narrow it: by actor, by subject, by time.")

NUMBER = r"^\d{1,4}-\d{1,18}$"

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


class Subject(Answer):
    id: UUID
    username: str | None


class AuditEvent(Answer):
    """One act. Names are those of now; null where an account is gone."""

    id: UUID
    created_at: Time
    action: str
    actor_kind: Annotated[str, one_of("user", "operator", "service", "nobody")]
    actor_id: UUID | None
    actor_username: str | None
    subject_id: UUID | None
    subjects: list[Subject]
    reason: str | None
    address: str | None
    request_id: str | None
    details: StoredObject
    chain: int
    seq: int
    hash: str

    @classmethod
    def of(cls, stored: StoredEvent, names: Mapping[UUID, str]) -> Self:
        same = ("id", "created_at", "action", "actor_kind", "actor_id", "reason", "address", "request_id", "details")
        event = stored.event
        # The digest of a deleted account's name, by which it is found, is no account.
        subjects = [each for each in event.subject_ids if str(each) != event.details.get("name_id")]
        return cls(
            **{name: getattr(event, name) for name in same},
            actor_username=None if event.actor_id is None else names.get(event.actor_id),
            subject_id=subjects[0] if len(subjects) == 1 else None,
            subjects=[Subject(id=subject, username=names.get(subject)) for subject in subjects],
            chain=event.chain,
            seq=event.seq,
            hash=stored.hash.hex(),
        )


async def parse_filters(
    database: DatabaseDep,
    accounts: AccountsDep,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    actor: Annotated[SearchText | None, Query(description=NAMED.format("actor"))] = None,
    subject: Annotated[
        SearchText | None,
        Query(description="The subject's username, as of the actor; also of an account that was deleted."),
    ] = None,
    action: Action | None = None,
    row: Annotated[
        str | None, Query(pattern=NUMBER, examples=["3-1042"], description="A row by its number: its chain and place.")
    ] = None,
    since: Annotated[Moment | None, Query(alias="from", description="Of this time or later.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Before this time.")] = None,
) -> EventFilters | None:
    """Return the filters of a request; None where they name a user who is not there, so that no event fits."""
    ids = {"actor_id": actor_id, "subject_id": subject_id}
    for field, username in (("actor_id", actor), ("subject_id", subject)):
        if username is not None:
            async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
                named = await user_id_by_name(connection, username)
            if named is None and field == "subject_id":
                named = accounts.trail.keys.name_ids(username_key(username))[0]  # of an account that was deleted
            if named is None or ids[field] not in (None, named):
                return None
            ids[field] = named
    place = None if row is None else place_of(row)
    return EventFilters(**ids, action=action, since=since, until=until, place=place)


def place_of(number: str) -> tuple[int, int]:
    """Return the chain and the row in it of a number such as `3-1042`."""
    chain, seq = map(int, number.split("-"))
    return chain, seq


@router.get("/audit", responses=error_responses(401, 403, 422, 503, query_too_slow=TOO_SLOW) | BEHIND)
@needs(Scope.ADMIN)
async def list_audit_events(
    reads: ReadsDep,
    filters: Annotated[EventFilters | None, Depends(parse_filters)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[AuditEvent]:
    """Return who did or read what, newest first. All filters must fit.

    `subject_id` is the one account that it was done to; where there are several, all are in `subjects`.
    """
    after = cursor_of_id(cursor, of="audit")
    if filters is None:
        return Page(items=[])

    async def found(connection: AsyncConnection) -> tuple[Sequence[StoredEvent], Mapping[UUID, str]]:
        events = await events_page(connection, filters, after=after, limit=limit + 1)
        return events, await usernames_in(connection, events[:limit])

    events, names = await reads.read(found, timeout_seconds=QUERY_TIMEOUT_SECONDS)
    return page_of(events, limit, partial(AuditEvent.of, names=names), of="audit")
