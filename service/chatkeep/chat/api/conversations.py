"""`/api/v1/conversations`: conversations over HTTP."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Query, Request

from chatkeep.accounts.dependencies import DatabaseDep, VisitorAudit
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.accounts.users import HELD, require_no_hold
from chatkeep.audit.actions import Action
from chatkeep.chat.api.dependencies import ChatDep, CurrentUser, CurrentUserOrVisitor
from chatkeep.chat.history import conversations
from chatkeep.chat.history import queries as turn_queries
from chatkeep.chat.history.lookups import require_conversation
from chatkeep.chat.history.pin_queries import MAX_PINS, count_pins, lock_pins
from chatkeep.chat.history.titles import conversations_by_title
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.schemas import ChangeConversation, Conversation, CreateConversation
from chatkeep.database.times import time_in_cursor
from chatkeep.errors import Invalid, NotAuthenticated, NotFound, TooManyPins
from chatkeep.http.bodies import JsonRoute, QueryFlag, SearchText, takes_body_of
from chatkeep.http.pages import (
    DEFAULT_LIMIT,
    CursorText,
    Limit,
    Page,
    decode_cursor,
    page_of,
)
from chatkeep.http.problems import BODY_ERRORS, error_responses
from chatkeep.ids import new_id

router = APIRouter(prefix="/api/v1/conversations", tags=["Conversations"], route_class=JsonRoute)


@router.post(
    "",
    status_code=201,
    responses=error_responses(
        401,
        *BODY_ERRORS,
        too_many_attempts=(
            429,
            "Too many guests began here: keep the cookie, or sign in. Wait 20 minutes and try again.",
        ),
    ),
)
@takes_body_of(None)
@needs(Scope.CHAT)
async def create_conversation(
    body: CreateConversation, request: Request, asker: CurrentUserOrVisitor, chat: ChatDep
) -> Conversation:
    """Begin a conversation. Without a title it takes one from its first prompt.

    Where guests are allowed, nobody needs an account for it: the answer brings the cookie of a guest.
    """
    identity = asker or await chat.handler.create_guest(request)
    try:
        row = await chat.database.row(
            conversations.CREATE_CONVERSATION,
            user_id=identity.user_id,
            conversation_id=new_id(),
            title=body.title,
            system_prompt=body.system_prompt,
            model=body.model,
            params=body.params.chosen(),
            extra=body.metadata,
            now=chat.clock(),
        )
    except asyncpg.ForeignKeyViolationError:
        raise NotAuthenticated("This account has just been deleted.") from None
    if row is None:
        raise NotFound
    return Conversation.model_validate(row)


@router.get("", responses=error_responses(401, 422, 503))
@needs(Scope.READ)
async def list_conversations(
    identity: CurrentUser,
    database: DatabaseDep,
    archived: Annotated[
        QueryFlag | None, Query(description="Only archived ones, or only others. Default: all.")
    ] = None,
    pinned: Annotated[QueryFlag | None, Query(description="Only pinned ones, or only others. Default: all.")] = None,
    origin: Annotated[
        conversations.Origin | None,
        Query(description="Only what began through `/v1`, through the AI SDK's protocol, or neither. Default: all."),
    ] = None,
    q: Annotated[
        SearchText | None,
        Query(description="Part of the title; case, width, and accents that it leaves out do not matter."),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Conversation]:
    """Return the caller's conversations, newest activity first.

    `metadata.import` has only its source in the list; the conversation by itself has all of it.
    """
    after_time, after_id = _after(cursor)
    values: dict[str, Any] = {
        "user_id": identity.user_id,
        "archived": archived,
        "after_time": after_time,
        "after_id": after_id,
        "limit": limit + 1,
    }
    if q:
        rows = await conversations_by_title(database, q=q, origin=origin, pinned=pinned, **values)
    elif pinned:
        rows = await database.rows(conversations.PINNED_LISTS[origin], **values)
    else:
        rows = await database.rows(conversations.LISTS[origin], pinned=pinned, **values)
    return page_of(rows, limit, Conversation.model_validate, of="conversations", position=_recency)


def _recency(conversation: ConversationRecord) -> tuple[object, ...]:
    return conversation.last_turn_at, conversation.id


@router.get("/{conversation_id}", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def read_conversation(conversation_id: UUID, identity: CurrentUser, database: DatabaseDep) -> Conversation:
    """Return one conversation, without its turns."""
    return await require_conversation(database, identity.user_id, conversation_id)


@router.patch(
    "/{conversation_id}",
    responses=error_responses(401, 404, *BODY_ERRORS, too_many_pins=(409, f"{MAX_PINS} conversations are pinned.")),
)
@takes_body_of(None)
@needs(Scope.CHAT)
async def change_conversation(
    conversation_id: UUID, body: ChangeConversation, identity: CurrentUser, chat: ChatDep
) -> Conversation:
    """Change what is given; null takes a title, a system prompt or a model away. `head_turn_id` switches branch."""
    changes = _changes(body)
    user_id = identity.user_id
    async with chat.database.transaction() as connection:
        if changes.get("pinned"):
            await lock_pins(connection, user_id)
        head = changes.get("head_turn_id")
        if isinstance(head, UUID) and not await turn_queries.turn_exists(connection, user_id, conversation_id, head):
            raise NotFound
        changes["updated_at"] = chat.clock()
        row = await conversations.update_conversation(connection, user_id, conversation_id, changes)
        if row is None:
            raise NotFound
        if changes.get("pinned") and await count_pins(connection, user_id) > MAX_PINS:
            raise TooManyPins(f"{MAX_PINS} conversations are pinned. Unpin one first.")
    return Conversation.model_validate(row)


@router.delete(
    "/{conversation_id}", status_code=204, responses=error_responses(401, 404, 422, 503, legal_hold=(409, HELD))
)
@needs(Scope.CHAT)
async def delete_conversation(
    conversation_id: UUID, identity: CurrentUser, database: DatabaseDep, visitor: VisitorAudit
) -> None:
    """Delete a conversation and all of its turns. A reply that is being generated is stopped."""
    async with database.transaction() as connection:
        await require_no_hold(connection, identity.user_id)
        if not await conversations.delete_conversation(connection, identity.user_id, conversation_id):
            raise NotFound
        audit = visitor.acting_as(identity.user_id)
        await audit.record(
            connection, Action.CONVERSATION_DELETED, identity.user_id, conversation_id=str(conversation_id)
        )


def _after(cursor: str | None) -> tuple[object, object]:
    if cursor is None:
        return conversations.NEWEST_TIME, conversations.NEWEST_ID
    after_time, after_id = decode_cursor(cursor, time_in_cursor, UUID, of="conversations")
    return after_time, after_id


def _changes(body: ChangeConversation) -> dict[str, object]:
    changes: dict[str, object] = {name: getattr(body, name) for name in body.model_fields_set}
    if "params" in changes:
        changes["params"] = body.params.chosen()
    if "metadata" in changes:
        changes["extra"] = changes.pop("metadata")
    if "head_turn_id" in changes and changes["head_turn_id"] is None:
        raise Invalid("head_turn_id is the id of one of the conversation's turns.")
    return changes
