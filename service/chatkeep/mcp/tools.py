"""Tools of `/mcp`: the API's own reads of one's history, worded for a model.

`search` and `fetch` take and return what ChatGPT's connectors expect of tools with these names.
"""

import html
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chatkeep.accounts.identity import Identity
from chatkeep.chat.api.conversations import list_conversations, read_conversation
from chatkeep.chat.api.search import FoundTurn
from chatkeep.chat.api.search import search as search_turns
from chatkeep.chat.api.turns import list_turns, read_turn
from chatkeep.chat.schemas import Conversation, Turn
from chatkeep.chat.search.own_search import Sort
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, NotFound
from chatkeep.http.bodies import SearchText
from chatkeep.http.schemas import Time

MAX_FOUND = 50
MAX_TURNS = 50
# Of one prompt or one reply in a list, and of one document: a model has room for so much.
MAX_SHOWN_CHARACTERS = 20_000
MAX_DOCUMENT_CHARACTERS = 200_000
CUT = "\n\n[…]"
UNTITLED = "Conversation"

Cursor = Annotated[str | None, Field(max_length=512, description="`next_cursor` of the page before.")]
JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """The user whose history is read.

    Args:
        address: of the service, as links to its pages begin.
    """

    identity: Identity
    database: Database
    address: str

    def url(self, conversation_id: UUID, turn_id: UUID | None = None) -> str:
        return f"{self.address}/c/{conversation_id}" + (f"#{turn_id}" if turn_id else "")


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid")


class Search(Arguments):
    query: Annotated[
        SearchText,
        Field(
            min_length=1,
            description='Words, all of which must be in the turn; `"…"` is a phrase. `in:title`, `model:`, `before:` '
            "and `after:` with a date, `has:file` and `-without` narrow it; `in:reasoning` looks in what "
            "models thought.",
        ),
    ]
    sort: Annotated[Sort, Field(description="Newest first, or of the newest what says it most.")] = "date"
    limit: Annotated[int, Field(ge=1, le=MAX_FOUND)] = 20
    cursor: Cursor = None


class Fetch(Arguments):
    id: Annotated[str, Field(max_length=100, description="The id of a result of `search`, or of a conversation.")]


class ListConversations(Arguments):
    query: Annotated[SearchText | None, Field(description="Part of the title.")] = None
    archived: Annotated[bool | None, Field(description="Only archived ones, or only others.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_FOUND)] = 20
    cursor: Cursor = None


class GetConversation(Arguments):
    conversation_id: UUID
    limit: Annotated[int, Field(ge=1, le=MAX_TURNS)] = 20
    cursor: Cursor = None


class Moments(BaseModel):
    """Times as everywhere in the API."""

    created_at: Time


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, as a client lists it."""

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    run: Callable[[Reader, Any], Awaitable[JsonObject]]


async def search(reader: Reader, given: Search) -> JsonObject:
    page = await search_turns(reader.identity, reader.database, given.query, given.sort, given.limit, given.cursor)
    return {"results": [_result(reader, found) for found in page.items], "next_cursor": page.next_cursor}


async def fetch(reader: Reader, given: Fetch) -> JsonObject:
    conversation_id, turn_id = _ids(given.id)
    conversation = await read_conversation(conversation_id, reader.identity, reader.database)
    if turn_id is not None:
        turns = [await read_turn(conversation_id, turn_id, reader.identity, reader.database)]
        more = False
    else:
        page = await list_turns(conversation_id, reader.identity, reader.database, "desc", MAX_TURNS)
        turns, more = page.items[::-1], page.next_cursor is not None
    text = "\n\n".join(map(_written, turns))
    return {
        "id": given.id,
        "title": conversation.title or UNTITLED,
        "text": _cut(text, MAX_DOCUMENT_CHARACTERS),
        "url": reader.url(conversation_id, turn_id),
        "metadata": {
            "conversation_id": str(conversation_id),
            "created_at": _time((turns[0] if turns else conversation).created_at),
            # The newest turns are there; `get_conversation` has the others.
            "complete": not more and len(text) <= MAX_DOCUMENT_CHARACTERS,
        },
    }


async def list_own(reader: Reader, given: ListConversations) -> JsonObject:
    page = await list_conversations(
        reader.identity,
        reader.database,
        archived=given.archived,
        q=given.query,
        limit=given.limit,
        cursor=given.cursor,
    )
    return {"conversations": [_shown(reader, each) for each in page.items], "next_cursor": page.next_cursor}


async def get_conversation(reader: Reader, given: GetConversation) -> JsonObject:
    found = await read_conversation(given.conversation_id, reader.identity, reader.database)
    page = await list_turns(given.conversation_id, reader.identity, reader.database, "asc", given.limit, given.cursor)
    turns = [_turn(turn) for turn in page.items]
    return _shown(reader, found) | {"turns": turns, "next_cursor": page.next_cursor}


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Search the history",
            "Find turns of the user's own conversations by what they say, newest first. Each result has an `id` for "
            "`fetch`.",
            Search,
            search,
        ),
        Tool(
            "fetch",
            "Read a result",
            "Return the text of a result of `search`: what was asked and what was answered. With the id of a "
            "conversation, return its newest turns.",
            Fetch,
            fetch,
        ),
        Tool(
            "list_conversations",
            "List conversations",
            "List the user's own conversations, newest activity first.",
            ListConversations,
            list_own,
        ),
        Tool(
            "get_conversation",
            "Read a conversation",
            "Return a conversation's turns, oldest first, a page at a time. Long texts are cut.",
            GetConversation,
            get_conversation,
        ),
    )
}


async def call(reader: Reader, name: str, arguments: Mapping[str, Any]) -> str:
    """Return a tool's answer as JSON.

    Raises:
        Invalid: there is no such tool, or the arguments do not fit; says which.
        NotFound: nothing of the user's has that id.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise Invalid(f"There is no tool {name[:64]!r}. There are {', '.join(TOOLS)}.")
    try:
        given = tool.arguments.model_validate(arguments)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise Invalid("; ".join(wrong)) from None
    return json.dumps(await tool.run(reader, given), ensure_ascii=False)


def _ids(given: str) -> tuple[UUID, UUID | None]:
    conversation, _, turn = given.partition(":")
    try:
        return UUID(conversation), UUID(turn) if turn else None
    except ValueError:
        raise NotFound from None


def _result(reader: Reader, found: FoundTurn) -> JsonObject:
    return {
        "id": f"{found.conversation_id}:{found.turn_id}",
        "title": found.conversation_title or UNTITLED,
        "url": reader.url(found.conversation_id, found.turn_id),
        # A model reads text, and the API's snippets are HTML.
        "text": html.unescape(re.sub(r"</?mark>", "", found.snippet)),
        "created_at": _time(found.created_at),
    }


def _shown(reader: Reader, conversation: Conversation) -> JsonObject:
    return {
        "id": str(conversation.id),
        "title": conversation.title or UNTITLED,
        "url": reader.url(conversation.id),
        "turn_count": conversation.turn_count,
        "created_at": _time(conversation.created_at),
        "updated_at": _time(conversation.updated_at),
    }


def _turn(turn: Turn) -> JsonObject:
    return {
        "id": f"{turn.conversation_id}:{turn.id}",
        "created_at": _time(turn.created_at),
        "model": turn.model,
        "status": turn.status,
        "prompt": _cut(turn.prompt.content, MAX_SHOWN_CHARACTERS),
        "reply": _cut(_reply(turn), MAX_SHOWN_CHARACTERS),
    }


def _written(turn: Turn) -> str:
    return f"User: {turn.prompt.content}\n\nAssistant: {_reply(turn)}"


def _reply(turn: Turn) -> str:
    return (turn.reply.content or turn.reply.refusal or "") if turn.reply is not None else ""


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def _time(moment: Any) -> str:
    return str(Moments(created_at=moment).model_dump()["created_at"])
