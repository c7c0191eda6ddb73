"""`/v1/responses`: responses over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

import anyio
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse

from chatkeep.accounts.dependencies import VisitorAudit
from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep
from chatkeep.chat.api.turns import IdempotencyKey
from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.sse import EventStream
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.turn import NewTurn
from chatkeep.errors import Invalid, NotFound
from chatkeep.http.admission import begins_turn
from chatkeep.http.bodies import FromDigits, QueryFlag, takes_body_of
from chatkeep.ids import new_id
from chatkeep.openai.deletion import delete_response
from chatkeep.openai.dependencies import TokenOwner
from chatkeep.openai.ids import RESPONSE, to_own
from chatkeep.openai.lists import MAX_LIMIT, to_list
from chatkeep.openai.output_items import MAX_ID_CHARACTERS, input_items
from chatkeep.openai.response import KeptResponse, to_response
from chatkeep.openai.response_request import conversation_of, echo_of, instructions_of, model_request, params_of
from chatkeep.openai.response_stream import failure_of, response_events
from chatkeep.openai.room import require_room
from chatkeep.openai.route import OpenAIRoute
from chatkeep.openai.schemas import CreateResponse
from chatkeep.openai.store_option import EndingStream, prompt_of, require_allowed, whole_turn
from chatkeep.openai.transient import answer_once
from chatkeep.openai.turns import ApiRequest, require_kept, take_first_turn, take_turn

NO_RESPONSE = (
    "`previous_response_id` names no response of yours that is kept: it was deleted, or asked for with `store: false`."
)
NO_CONVERSATION = "`conversation` names no conversation of yours: make one with POST /v1/conversations."
# How long a cancellation is waited for; the turn may be generated on another replica.
CANCEL_SECONDS = 5.0
# Not in the OpenAPI document: its shapes and errors are OpenAI's. See docs/clients.md.
router = APIRouter(prefix="/v1/responses", route_class=OpenAIRoute, include_in_schema=False)

After = Annotated[Annotated[int, Field(ge=0, lt=2**62), FromDigits] | None, Query()]


@router.post("")
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def create_response(
    body: CreateResponse,
    request: Request,
    caller: TokenOwner,
    chat: ChatDep,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Ask the model. The input is kept before the first byte of the answer is sent."""
    is_kept = require_allowed(request, store=body.store)
    if body.background and not is_kept:
        raise Invalid("What is answered in the background is kept: leave `store` out.", param="background")
    with _naming_place(body):
        said = echo_of(body) | ({} if is_kept else {"store": False})
    context_tokens = request.app.state.settings.context_tokens
    following = await _take_turn(
        chat, caller, body, ApiRequest(said), idempotency_key, is_kept=is_kept, context_tokens=context_tokens
    )
    if body.stream:
        events = response_events(following, said)
        return (
            EventStream(events, chat.streams, stream_terms(caller))
            if is_kept
            else EndingStream(events, chat, caller, following)
        )
    if body.background:
        turn = await following.turn_at_its_start()
        return JSONResponse(to_response(KeptResponse(turn, said), queued=True))
    turn = await whole_turn(request, chat, caller, following, is_kept=is_kept)
    return failure_of(turn) or JSONResponse(to_response(KeptResponse(turn, said)))


async def _take_turn(
    chat: Chat,
    caller: Identity,
    body: CreateResponse,
    request: ApiRequest,
    idempotency_key: str | None,
    *,
    is_kept: bool,
    context_tokens: int,
) -> TurnStream:
    with _naming_place(body):
        conversation_id, parent_id = await _place_of(chat, caller, body)
    prompt, files = await prompt_of(chat, caller, body.input, is_kept=is_kept)
    new = NewTurn(
        conversation_id=conversation_id or new_id(),
        content=prompt.text,
        items=prompt.items,
        parent_id=parent_id,
        model=body.model,
        params=params_of(body),
        idempotency_key=idempotency_key,
        tools=model_request(body),
        instructions=instructions_of(body),
    )
    with _naming_place(body):
        if body.truncation == "disabled" and conversation_id is not None:
            await require_room(chat, caller.user_id, new, context_tokens=context_tokens)
        if not is_kept:
            return await answer_once(chat, caller, new, files, goes_on=conversation_id is not None)
        take = take_first_turn if conversation_id is None else take_turn
        return await take(chat, caller, new, request)


async def _place_of(chat: Chat, caller: Identity, body: CreateResponse) -> tuple[UUID | None, UUID | None]:
    """Return the conversation and the turn that a request goes on from; None begins a conversation."""
    conversation_id = conversation_of(body)
    if body.previous_response_id is None:
        return conversation_id, None
    before = await require_kept(chat.database, caller.user_id, to_own(RESPONSE, body.previous_response_id))
    return before.turn.conversation_id, before.turn.id


@contextmanager
def _naming_place(body: CreateResponse) -> Iterator[None]:
    """Say of what is not there which field of the request names it."""
    try:
        yield
    except NotFound:
        if body.previous_response_id is not None:
            raise NotFound(NO_RESPONSE, param="previous_response_id") from None
        if body.conversation is not None:
            raise NotFound(NO_CONVERSATION, param="conversation") from None
        raise


@router.get("/{response_id}")
@needs(Scope.CHAT, Scope.READ)
async def read_response(
    response_id: str, caller: TokenOwner, chat: ChatDep, stream: QueryFlag = False, starting_after: After = None
) -> Any:
    """Return a response; or its events, from the first or from after one, on any replica and for ever."""
    kept = await _require(chat, caller, response_id)
    if not stream:
        generation = chat.generations.by_turn(kept.turn.id)
        return JSONResponse(to_response(kept, queued=generation is not None and generation.is_queued))
    following = chat.follow(caller.user_id, kept.turn)
    after = -1 if starting_after is None else starting_after
    return EventStream(response_events(following, kept.request, after=after), chat.streams, stream_terms(caller))


@router.post("/{response_id}/cancel")
@needs(Scope.CHAT)
async def cancel_response(response_id: str, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """End a response, wherever it is generated; what there is of it is kept. One that has ended stays as it is."""
    kept = await _require(chat, caller, response_id)
    if kept.turn.status == "streaming":
        await chat.stop_turn(caller.user_id, kept.turn.conversation_id, kept.turn.id)
        with anyio.move_on_after(CANCEL_SECONDS):
            await chat.follow(caller.user_id, kept.turn).end()
        kept = await _require(chat, caller, response_id)
    return JSONResponse(to_response(kept))


@router.delete("/{response_id}")
@needs(Scope.CHAT)
async def remove_response(response_id: str, caller: TokenOwner, chat: ChatDep, visitor: VisitorAudit) -> JSONResponse:
    """Delete a response: what was asked and what was answered. What came after it stays."""
    kept = await _require(chat, caller, response_id)
    await delete_response(chat.database, caller, visitor.acting_as(caller.user_id), kept)
    return JSONResponse({"id": response_id, "object": "response", "deleted": True})


@router.get("/{response_id}/input_items")
@needs(Scope.CHAT, Scope.READ)
async def list_input_items(
    response_id: str,
    caller: TokenOwner,
    chat: ChatDep,
    after: Annotated[str | None, Query(max_length=MAX_ID_CHARACTERS)] = None,
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), FromDigits] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> JSONResponse:
    """Return the input items of a response."""
    kept = await _require(chat, caller, response_id)
    items = input_items(kept.turn)
    return JSONResponse(to_list(items if order == "asc" else items[::-1], after=after, limit=limit))


async def _require(chat: Chat, caller: Identity, response_id: str) -> KeptResponse:
    return await require_kept(chat.database, caller.user_id, to_own(RESPONSE, response_id))


@router.post("/{call}")
@needs(Scope.CHAT, Scope.READ)
async def refuse_call(call: str, caller: TokenOwner) -> None:  # noqa: ARG001  nobody is told of it
    """Answer calls that OpenAI's API has and this service has not, such as `compact`."""
    raise NotFound(f"This service has no call {call!r} for responses.")
