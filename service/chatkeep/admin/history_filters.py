"""Which turns of all users are asked for: the filters that reading and exporting the history share."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.admin import user_queries
from chatkeep.admin.history_queries import QUERY_TIMEOUT_SECONDS, HistoryFilters
from chatkeep.chat.api.search import Q_DESCRIPTION
from chatkeep.chat.search.query import parse_query
from chatkeep.chat.status import Status
from chatkeep.http.bodies import Moment, QueryText, SearchText

Rating = Annotated[Literal[1, -1], BeforeValidator(lambda text: int(text) if text in ("1", "-1") else text)]


async def parse_filters(
    database: DatabaseDep,
    q: Annotated[QueryText | None, Field(min_length=1), Query(description=f"{Q_DESCRIPTION} Finished turns.")] = None,
    user_id: UUID | None = None,
    username: Annotated[SearchText | None, Query(description="Exactly, but for case and width.")] = None,
    conversation_id: UUID | None = None,
    model: SearchText | None = None,
    status: Status | None = None,
    rating: Rating | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="Begun at this time or later.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Begun before this time.")] = None,
) -> HistoryFilters | None:
    """Return the filters of a request; None where they name a user who is not there, so that no turn fits.

    Raises:
        NothingToFind: there is nothing to look for in `q`; said before an export begins.
    """
    if q is not None:
        parse_query(q)
    if username is not None:
        async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
            named = await user_queries.user_id_by_name(connection, username)
        if named is None or user_id not in (None, named):
            return None
        user_id = named
    return HistoryFilters(
        q=q,
        user_id=user_id,
        conversation_id=conversation_id,
        model=model,
        status=status,
        rating=rating,
        since=since,
        until=until,
    )


FiltersDep = Annotated[HistoryFilters | None, Depends(parse_filters)]
