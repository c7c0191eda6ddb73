"""`/api/v1/search`: the caller's own turns by what they say."""

import asyncio
from functools import partial
from typing import Annotated, Self, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import CurrentUser
from chatkeep.chat.search.candidates import OwnCandidate
from chatkeep.chat.search.filters import Where
from chatkeep.chat.search.own_search import Sort, most_relevant, newest_found, position_of
from chatkeep.chat.search.query import SearchQuery, parse_query
from chatkeep.chat.search.snippets import snippet
from chatkeep.database.database import Database
from chatkeep.http.bodies import JsonRoute, QueryText
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, decode_cursor, page_of
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time

router = APIRouter(prefix="/api/v1/search", tags=["Search"], route_class=JsonRoute)

Q_DESCRIPTION = (
    'Words, all of which must be in the turn; `"…"` is a phrase, `word*` any word that begins so, `-word` must not be '
    "there. Chinese, Japanese and Korean is found by any part of a text. Case, width and accents that the query leaves "
    "out do not matter; signs do: `c#`. Filters: `from:me`, `from:model`, `in:title`, `in:reasoning`, `model:`, "
    "`before:2026-01-31`, `after:2026-01`, `has:file`. A text of several lines, or of more than 300 characters, is "
    "nothing but words."
)
SORT_DESCRIPTION = "`date`: the newest first. `relevance`: of the newest 500 that fit, those that say it most."
FOUND_IN = "Which texts the words are of; `title`: of the conversation, whose newest turn this is."
NOTHING_TO_FIND = (
    422,
    "There is nothing to look for in this: it takes a word, a sign or a character, not only punctuation.",
)
TOO_SLOW = (503, "That took too long and was stopped. Ask for rarer words, or for more of them.")


class FoundTurn(Answer):
    """A turn that says what was asked for."""

    conversation_id: UUID
    conversation_title: str | None
    turn_id: UUID
    snippet: Annotated[
        str,
        Field(description="Its words around the first match, as HTML: matches in `<mark>`, everything else escaped."),
    ]
    found_in: Annotated[Where, Field(description=FOUND_IN)]
    created_at: Time

    @classmethod
    def of(cls, query: SearchQuery, found: OwnCandidate) -> Self:
        return cls(
            conversation_id=found.conversation_id,
            conversation_title=found.conversation_title,
            turn_id=found.turn_id,
            snippet=snippet(query, *found.texts),
            found_in=query.filters.where,
            created_at=found.created_at,
        )


@router.get("", responses=error_responses(401, 422, 503, nothing_to_find=NOTHING_TO_FIND, query_too_slow=TOO_SLOW))
@needs(Scope.READ)
async def search(
    identity: CurrentUser,
    database: DatabaseDep,
    q: Annotated[QueryText, Field(min_length=1), Query(description=Q_DESCRIPTION)],
    sort: Annotated[Sort, Query(description=SORT_DESCRIPTION)] = "date",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[FoundTurn]:
    """Return the caller's turns that say what is asked for in prompt or reply, newest first. With `in:reasoning`,
    what the model thought is searched instead, with `in:title` the titles of conversations. A turn that is being
    answered is found when it is finished.
    """
    asked = parse_query(q)
    if sort == "relevance":
        return await _by_relevance(database, identity.user_id, asked, limit, cursor)
    after = cursor_of_id(cursor, of="search")
    rows = await newest_found(database, identity.user_id, asked, after=after, limit=limit + 1)
    # Long texts take their time, and others wait for the event loop.
    return await asyncio.to_thread(
        page_of,
        rows,
        limit,
        partial(FoundTurn.of, asked),
        of="search",
        position=lambda found: (position_of(asked, found),),
    )


async def _by_relevance(
    database: Database, user_id: UUID, asked: SearchQuery, limit: int, cursor: str | None
) -> Page[FoundTurn]:
    after = None
    if cursor is not None:
        score, turn_id = decode_cursor(cursor, int, UUID, of="relevance")
        after = cast("tuple[int, UUID]", (score, turn_id))
    rows = await most_relevant(database, user_id, asked, after=after, limit=limit + 1)
    return await asyncio.to_thread(
        page_of,
        rows,
        limit,
        lambda each: FoundTurn.of(asked, each[1]),
        of="relevance",
        position=lambda each: (each[0], each[1].turn_id),
    )
