"""`/api/v1/search`: the caller's own turns by what they say."""

import asyncio
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import CurrentUser
from chatkeep.chat.search.candidates import OwnCandidate
from chatkeep.chat.search.own_turns import OwnTurns
from chatkeep.chat.search.query import SearchQuery, parse_query
from chatkeep.chat.search.search import Search
from chatkeep.chat.search.snippets import snippet
from chatkeep.http.bodies import JsonRoute, SearchText
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time

router = APIRouter(prefix="/api/v1/search", tags=["Search"], route_class=JsonRoute)

Q_DESCRIPTION = (
    'Words, all of which must be in the turn; `"…"` is a phrase. Chinese, Japanese and Korean is found by any part of '
    "a text. Case and width do not matter. With `in:reasoning`, what the model thought before it answered is searched "
    "instead of prompts and replies."
)
NOTHING_TO_FIND = (
    422,
    "There is nothing to look for in this: it takes a word, a symbol or a character, not only punctuation.",
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
    found_in: Annotated[Literal["text", "reasoning"], Field(description="Which text of the turn the words are of.")]
    created_at: Time

    @classmethod
    def of(cls, query: SearchQuery, found: OwnCandidate) -> Self:
        return cls(
            conversation_id=found.conversation_id,
            conversation_title=found.conversation_title,
            turn_id=found.turn_id,
            snippet=snippet(query, *found.texts),
            found_in="reasoning" if query.in_reasoning else "text",
            created_at=found.created_at,
        )


@router.get("", responses=error_responses(401, 422, 503, nothing_to_find=NOTHING_TO_FIND, query_too_slow=TOO_SLOW))
@needs(Scope.READ)
async def search(
    identity: CurrentUser,
    database: DatabaseDep,
    q: Annotated[SearchText, Field(min_length=1), Query(description=Q_DESCRIPTION)],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[FoundTurn]:
    """Return the caller's turns that say what is asked for in prompt or reply, newest first. With `in:reasoning`,
    what the model thought is searched instead. A turn that is being answered is found when it is finished.
    """
    asked = parse_query(q)
    after = cursor_of_id(cursor, of="search")
    source = OwnTurns(database, identity.user_id, asked)
    rows = await Search(asked, source, limit=limit + 1).newest(after)
    # Long texts take their time, and others wait for the event loop.
    return await asyncio.to_thread(
        page_of, rows, limit, partial(FoundTurn.of, asked), of="search", position=lambda found: (found.turn_id,)
    )
