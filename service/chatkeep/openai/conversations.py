"""`/v1/conversations` and their items, over HTTP."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import JSONResponse

from chatkeep.accounts.dependencies import VisitorAudit
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.accounts.users import require_no_hold
from chatkeep.audit.actions import Action
from chatkeep.chat.api.dependencies import ChatDep
from chatkeep.chat.chat import Chat
from chatkeep.chat.history import conversations as queries
from chatkeep.chat.history.lookups import require_record
from chatkeep.chat.records import ConversationRecord
from chatkeep.database.stored_json import object_of
from chatkeep.errors import NotFound
from chatkeep.http.bodies import FromDigits, takes_body_of
from chatkeep.ids import new_id
from chatkeep.openai.conversation_items import Order, add_items, items_page, require_item
from chatkeep.openai.deletion import delete_item
from chatkeep.openai.dependencies import TokenOwner
from chatkeep.openai.ids import CONVERSATION, to_own, to_text
from chatkeep.openai.input_items import to_prompt
from chatkeep.openai.lists import DEFAULT_LIMIT, MAX_LIMIT, list_of
from chatkeep.openai.output_items import MAX_ID_CHARACTERS
from chatkeep.openai.route import OpenAIRoute
from chatkeep.openai.schemas import ChangeConversation, CreateConversation, CreateItems, JsonObject
from chatkeep.openai.turns import ORIGIN, begin_conversation

# Not in the OpenAPI document: its shapes and errors are OpenAI's. See docs/clients.md.
router = APIRouter(prefix="/v1/conversations", route_class=OpenAIRoute, include_in_schema=False)

After = Annotated[str | None, Query(max_length=MAX_ID_CHARACTERS)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), FromDigits]


@router.post("")
@takes_body_of(None)
@needs(Scope.CHAT)
async def create_conversation(body: CreateConversation, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Begin a conversation, with items where there are some."""
    conversation_id = new_id()
    prompt = await to_prompt(chat.files, caller.user_id, body.items or [])
    await begin_conversation(chat, caller, conversation_id, body.metadata)
    if body.items:
        await add_items(chat, caller, conversation_id, prompt)
    return JSONResponse(_shown(await require_record(chat.database, caller.user_id, conversation_id)))


@router.get("")
@needs(Scope.READ)
async def list_conversations(
    caller: TokenOwner, chat: ChatDep, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> JSONResponse:
    """Return the caller's conversations, newest activity first. OpenAI's own API has no such list."""
    last_turn_at, last_id = queries.NEWEST_TIME, queries.NEWEST_ID
    if after is not None:
        last = await require_record(chat.database, caller.user_id, to_own(CONVERSATION, after))
        last_turn_at, last_id = last.last_turn_at, last.id
    rows = await chat.database.rows(
        queries.LIST_CONVERSATIONS,
        user_id=caller.user_id,
        archived=None,
        pinned=None,
        after_time=last_turn_at,
        after_id=last_id,
        limit=limit + 1,
    )
    return JSONResponse(list_of([_shown(row) for row in rows[:limit]], has_more=len(rows) > limit))


@router.get("/{conversation_id}")
@needs(Scope.CHAT, Scope.READ)
async def read_conversation(conversation_id: str, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Return a conversation, without its items."""
    return JSONResponse(_shown(await _require(chat, caller, conversation_id)))


@router.post("/{conversation_id}")
@takes_body_of(None)
@needs(Scope.CHAT)
async def change_conversation(
    conversation_id: str, body: ChangeConversation, caller: TokenOwner, chat: ChatDep
) -> JSONResponse:
    """Set a conversation's metadata."""
    kept = await _require(chat, caller, conversation_id)
    origin = {name: value for name, value in object_of(kept.metadata).items() if name in ORIGIN}
    changes = {"extra": {**(body.metadata or {}), **origin}, "updated_at": chat.clock()}
    async with chat.database.transaction() as connection:
        row = await queries.update_conversation(connection, caller.user_id, kept.id, changes)
    if row is None:
        raise NotFound
    return JSONResponse(_shown(row))


@router.delete("/{conversation_id}")
@needs(Scope.CHAT)
async def delete_conversation(
    conversation_id: str, caller: TokenOwner, chat: ChatDep, visitor: VisitorAudit
) -> JSONResponse:
    """Delete a conversation and all that was said in it."""
    own_id = to_own(CONVERSATION, conversation_id)
    async with chat.database.transaction() as connection:
        await require_no_hold(connection, caller.user_id)
        if not await queries.delete_conversation(connection, caller.user_id, own_id):
            raise NotFound
        audit = visitor.acting_as(caller.user_id)
        await audit.record(connection, Action.CONVERSATION_DELETED, caller.user_id, conversation_id=str(own_id))
    return JSONResponse({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@router.post("/{conversation_id}/items")
@takes_body_of(None)
@needs(Scope.CHAT)
async def create_items(conversation_id: str, body: CreateItems, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Put items at the end of a conversation, without asking a model."""
    prompt = await to_prompt(chat.files, caller.user_id, body.items)
    items = await add_items(chat, caller, to_own(CONVERSATION, conversation_id), prompt)
    return JSONResponse(list_of(items, has_more=False))


@router.get("/{conversation_id}/items")
@needs(Scope.CHAT, Scope.READ)
async def list_items(
    conversation_id: str,
    caller: TokenOwner,
    chat: ChatDep,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: Order = "desc",
) -> JSONResponse:
    """Return the items of a conversation's active path."""
    own_id = (await _require(chat, caller, conversation_id)).id
    return JSONResponse(await items_page(chat.database, caller.user_id, own_id, order=order, after=after, limit=limit))


@router.get("/{conversation_id}/items/{item_id}")
@needs(Scope.CHAT, Scope.READ)
async def read_item(conversation_id: str, item_id: str, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Return one item."""
    own_id = to_own(CONVERSATION, conversation_id)
    _, _, item = await require_item(chat.database, caller.user_id, own_id, item_id)
    return JSONResponse(item)


@router.delete("/{conversation_id}/items/{item_id}")
@needs(Scope.CHAT)
async def remove_item(
    conversation_id: str, item_id: str, caller: TokenOwner, chat: ChatDep, visitor: VisitorAudit
) -> JSONResponse:
    """Delete one item; return the conversation."""
    own_id = to_own(CONVERSATION, conversation_id)
    turn, number, _ = await require_item(chat.database, caller.user_id, own_id, item_id)
    await delete_item(chat.database, caller, visitor.acting_as(caller.user_id), turn, number)
    return JSONResponse(_shown(await require_record(chat.database, caller.user_id, own_id)))


async def _require(chat: Chat, caller: Identity, conversation_id: str) -> ConversationRecord:
    return await require_record(chat.database, caller.user_id, to_own(CONVERSATION, conversation_id))


def _shown(kept: ConversationRecord) -> JsonObject:
    metadata: Mapping[str, Any] = object_of(kept.metadata)
    return {
        "id": to_text(CONVERSATION, kept.id),
        "object": "conversation",
        "created_at": int(kept.created_at.timestamp()),
        "metadata": {name: value for name, value in metadata.items() if name not in ORIGIN},
    }
