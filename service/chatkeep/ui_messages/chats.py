"""`/api/v1/ui/chat`: chats over the AI SDK's protocol."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep, CurrentUser
from chatkeep.chat.api.turns import IdempotencyKey
from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.sse import KEEP_ALIVE, EventStream
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.lookups import conversation_by_name, id_of_name, require_turn
from chatkeep.chat.history.pages import path_up, turns_page
from chatkeep.chat.history.turn import NewTurn
from chatkeep.chat.schemas import Turn
from chatkeep.errors import IdempotencyKeyReused, Invalid, NotFound, TurnInProgress
from chatkeep.http.admission import begins_turn
from chatkeep.http.bodies import takes_body_of
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit
from chatkeep.openai.input_items import to_prompt
from chatkeep.openai.route import OpenAIRoute
from chatkeep.openai.turns import new_conversation
from chatkeep.ui_messages.chunks import HEADERS, UiMessageChunks
from chatkeep.ui_messages.messages import ui_messages_of
from chatkeep.ui_messages.queries import KNOWN_TURNS, ROOT_TURN, RUNNING_TURN
from chatkeep.ui_messages.questions import Question, items_of, question_in, to_id, turn_ids_in
from chatkeep.ui_messages.schemas import MAX_CHAT_ID_CHARACTERS, SendMessages

# The metadata of a conversation that was begun so.
ORIGIN = {"origin": "ui"}
# How long the end of a reply is waited for whose client asks something else; it may be generated on another replica.
STOPPING_SECONDS = 5.0
STOPPING_POLL_SECONDS = 0.05
# Turns of one message that calls tools again and again.
MAX_STEPS = 64
NOTHING_NEW = "There is nothing to answer: the last message is the assistant's, or has neither text nor file."
NEEDS_MESSAGES = "A message that was edited needs the ones before it: send `messages`."

# Not in the OpenAPI document: its shapes are the AI SDK's. See docs/clients.md.
router = APIRouter(prefix="/api/v1/ui/chat", route_class=OpenAIRoute, include_in_schema=False)

# Clients choose it: `:path`, as a slash in it comes decoded.
NamedChat = Annotated[str, Path(min_length=1, max_length=MAX_CHAT_ID_CHARACTERS)]


@router.post("", status_code=200, response_class=EventStream)
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def send_messages(
    body: SendMessages, caller: CurrentUser, chat: ChatDep, idempotency_key: IdempotencyKey = None
) -> EventStream:
    """Ask what is new in the messages. It is kept before the first byte of the answer is sent."""
    following, message_id = await _take_turn(chat, caller, body, idempotency_key)
    return _stream(chat, caller, following, message_id)


@router.get("/{chat_id:path}/stream")
@needs(Scope.CHAT, Scope.READ)
async def resume_stream(chat_id: NamedChat, caller: CurrentUser, chat: ChatDep) -> Any:
    """Return the reply that is being generated, from its beginning; 204 where there is none."""
    turn = await _running_turn(chat, caller, chat_id)
    if turn is None:
        return Response(status_code=204)
    message_id = await _message_of(chat, caller, turn)
    return _stream(chat, caller, chat.follow(caller.user_id, turn), message_id)


@router.post("/{chat_id:path}/stop")
@needs(Scope.CHAT)
async def stop_stream(chat_id: NamedChat, caller: CurrentUser, chat: ChatDep) -> Response:
    """End the reply that is being generated; what there is of it is kept."""
    turn = await _running_turn(chat, caller, chat_id)
    if turn is not None:
        await chat.stop_turn(caller.user_id, turn.conversation_id, turn.id)
    return Response(status_code=204)


@router.get("/{chat_id:path}/messages")
@needs(Scope.CHAT, Scope.READ)
async def list_messages(
    chat_id: NamedChat,
    caller: CurrentUser,
    database: DatabaseDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> JSONResponse:
    """Return the messages of the newest turns of the active path, oldest first; of a new chat, none.

    `next_cursor` leads to those before them.
    """
    kept = await conversation_by_name(database, caller.user_id, chat_id)
    if kept is None:
        return JSONResponse({"messages": [], "next_cursor": None})
    page = await turns_page(database, caller.user_id, kept.id, order="desc", limit=limit, cursor=cursor)
    messages = ui_messages_of([_as_asked(turn) for turn in reversed(page.items)])
    return JSONResponse({"messages": messages, "next_cursor": page.next_cursor})


def _as_asked(turn: Turn) -> Turn:
    """Return a turn without the beginning of a reply: its stream brings all of it."""
    return turn.model_copy(update={"reply": None}) if turn.status == "streaming" else turn


async def _take_turn(
    chat: Chat, caller: Identity, body: SendMessages, idempotency_key: str | None
) -> tuple[TurnStream, str | None]:
    kept = await conversation_by_name(chat.database, caller.user_id, body.id)
    conversation_id = id_of_name(caller.user_id, body.id) if kept is None else kept.id
    question = await _question(chat, caller, conversation_id, body)
    prompt = await to_prompt(chat.files, caller.user_id, question.items)
    sibling_of = await _sibling_of(chat, caller, conversation_id, body, question)
    new = NewTurn(
        conversation_id=conversation_id,
        content=prompt.text,
        items=prompt.items,
        parent_id=question.parent_id,
        sibling_of=sibling_of,
        model=body.model,
        params=body.params.chosen(),
        idempotency_key=idempotency_key,
        tools=body.model_dump(include={"tools", "tool_choice"}, exclude_none=True),
        instructions=question.instructions,
    )
    if kept is None:
        async with new_conversation(chat, caller, conversation_id, ORIGIN):
            return await _taken(chat, caller, new, body), question.message_id
    return await _taken(chat, caller, new, body), question.message_id


async def _question(chat: Chat, caller: Identity, conversation_id: UUID, body: SendMessages) -> Question:
    if body.messages is None:
        question = Question(None, items_of([body.message] if body.message else []), None)
    else:
        ids = turn_ids_in(body.messages)
        known = {"user_id": caller.user_id, "conversation_id": conversation_id, "turn_ids": ids}
        question = question_in(body.messages, set(await chat.database.rows(KNOWN_TURNS, **known) if ids else ()))
    if not question.items:
        raise Invalid(NOTHING_NEW)
    return question


async def _sibling_of(
    chat: Chat, caller: Identity, conversation_id: UUID, body: SendMessages, question: Question
) -> UUID | None:
    """Return the turn that the new one stands beside, where it has no parent to stand below."""
    if body.messages is None:
        if body.message_id is None:
            return None  # the last message alone goes on from the head
        replaced = to_id(body.message_id)
        if body.trigger != "regenerate-message" or replaced is None:
            raise Invalid(NEEDS_MESSAGES)
        return replaced
    if question.parent_id is not None:
        return None
    return await chat.database.row(ROOT_TURN, user_id=caller.user_id, conversation_id=conversation_id)


async def _taken(chat: Chat, caller: Identity, new: NewTurn, body: SendMessages) -> TurnStream:
    """Take the turn. A reply that the client has left, as its `stop` does, is ended for it.

    One of another window, of which this client does not know, is not.
    """
    deadline = asyncio.get_running_loop().time() + STOPPING_SECONDS
    while True:
        try:
            return await chat.take_turn(caller, new)
        except IdempotencyKeyReused:
            if new.sibling_of is None:
                raise
            new = replace(new, sibling_of=None)  # the first request of a chat had nothing to stand beside
        except TurnInProgress as busy:
            running = to_id(busy.fields.get("turn_id"))
            if running is None or asyncio.get_running_loop().time() > deadline:
                raise
            if not await _has_left(chat, caller, new, body, running):
                raise
            await chat.stop_turn(caller.user_id, new.conversation_id, running)
            await asyncio.sleep(STOPPING_POLL_SECONDS)


async def _has_left(chat: Chat, caller: Identity, new: NewTurn, body: SendMessages, running: UUID) -> bool:
    """Tell whether this client asked for the reply that is being generated, and shows or asks something else now."""
    if body.trigger == "regenerate-message" or running in turn_ids_in(body.messages or ()):
        return True
    try:
        turn = await require_turn(chat.database, caller.user_id, new.conversation_id, running)
    except NotFound:
        return True  # it was deleted in this moment
    # It went before the stream began: then it asks the same once more, and something else behind it.
    return turn.parent_id == new.parent_id and (new.content or "").startswith(f"{turn.prompt.content}\n\n")


async def _running_turn(chat: Chat, caller: Identity, chat_id: str) -> Turn | None:
    kept = await conversation_by_name(chat.database, caller.user_id, chat_id)
    if kept is None:
        return None
    running = await chat.database.row(RUNNING_TURN, user_id=caller.user_id, conversation_id=kept.id)
    return None if running is None else await require_turn(chat.database, caller.user_id, kept.id, running)


async def _message_of(chat: Chat, caller: Identity, turn: Turn) -> str | None:
    """Return the id of the message that a reply goes on with, once its tools have answered; None for a new one."""
    if not _answers_calls(turn) or turn.parent_id is None:
        return None
    path = path_up(chat.database, caller.user_id, turn.conversation_id, start_id=turn.parent_id, limit=MAX_STEPS)
    async with aclosing(path) as turns:
        async for each in turns:
            if not _answers_calls(each):
                return str(each.id)
    return None


def _answers_calls(turn: Turn) -> bool:
    items = turn.prompt.items or ()
    return bool(items) and all(item.get("type") == "function_call_output" for item in items)


def _stream(chat: Chat, caller: Identity, following: TurnStream, message_id: str | None) -> EventStream:
    stream = EventStream(_chunks(following, message_id), chat.streams, stream_terms(caller))
    stream.headers.update(HEADERS)
    return stream


async def _chunks(following: TurnStream, message_id: str | None) -> AsyncGenerator[bytes, None]:
    turn = await following.turn_at_its_start()
    chunks = UiMessageChunks(turn, message_id)
    del turn  # its prompt may have megabytes, and the reply may take minutes
    yield chunks.begin()
    async with aclosing(following.stretches()) as found:
        async for spans in found:
            written = chunks.take(spans)
            if written or not spans:
                yield written or KEEP_ALIVE
    yield chunks.finish(await following.turn_at_its_end())
