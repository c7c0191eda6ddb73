"""`/v1/chat/completions`: the history comes with each request, and one turn is added to what is kept of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from chatkeep.accounts.dependencies import VisitorAudit
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep
from chatkeep.chat.api.turns import IdempotencyKey
from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.sse import KEEP_ALIVE
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.turn import NewTurn
from chatkeep.errors import Invalid, NotFound, TurnInProgress
from chatkeep.http.admission import begins_turn
from chatkeep.http.bodies import takes_body_of
from chatkeep.ids import new_id
from chatkeep.openai.completion import CompletionChunks, error_data, to_completion
from chatkeep.openai.completion_messages import MESSAGES, instructions_in, require_messages, to_input
from chatkeep.openai.deletion import delete_response
from chatkeep.openai.dependencies import TokenOwner
from chatkeep.openai.errors import error_body
from chatkeep.openai.ids import COMPLETION, to_own
from chatkeep.openai.input_items import Prompt, to_prompt
from chatkeep.openai.recognition import History, Place, place_of
from chatkeep.openai.response_stream import failed_status, failure_of
from chatkeep.openai.retries import is_retry, retried_turn, sent_digest
from chatkeep.openai.route import OpenAIRoute
from chatkeep.openai.schemas import CreateCompletion, JsonObject
from chatkeep.openai.store_option import EndingStream, prompt_of, require_allowed, whole_turn
from chatkeep.openai.transient import answer_once
from chatkeep.openai.turns import ApiRequest, require_kept, take_first_turn, take_turn

# What goes to the model server as it is, beside the parameters that a turn keeps.
PASSED_ON = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "verbosity",
    "logit_bias",
    "chat_template_kwargs",
)
# A client stops a reply by hanging up and may ask again at once: a turn in the way is waited for a moment.
STOPPING_SECONDS = 2.0
STOPPING_POLL_SECONDS = 0.05
ONE_CHOICE = "This service keeps one reply to each request: leave `n` out."

# Not in the OpenAPI document: its shapes and errors are OpenAI's. See docs/clients.md.
router = APIRouter(prefix="/v1/chat/completions", route_class=OpenAIRoute, include_in_schema=False)


@router.post("")
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def create_completion(
    body: CreateCompletion,
    request: Request,
    caller: TokenOwner,
    chat: ChatDep,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Ask the model. What is new of the messages is kept before the first byte of the answer is sent."""
    is_kept = require_allowed(request, store=body.store)
    if body.n not in (None, 1):
        raise Invalid(ONE_CHOICE, param="n")
    require_messages(body.messages)
    if is_kept:
        following = await _take_turn(chat, caller, body, idempotency_key, again=is_retry(request))
    else:
        following = await _answer_once(chat, caller, body)
    if body.stream:
        with_usage = bool((body.stream_options or {}).get("include_usage"))
        # The generation ends with its client: there is no other way to stop one.
        return EndingStream(_chunks(following, with_usage=with_usage), chat, caller, following)
    turn = await whole_turn(request, chat, caller, following, is_kept=is_kept)
    return failure_of(turn, COMPLETION) or JSONResponse(to_completion(turn))


@router.get("/{completion_id}")
@needs(Scope.CHAT, Scope.READ)
async def read_completion(completion_id: str, caller: TokenOwner, chat: ChatDep) -> Response:
    """Return a completion that is kept; of one that is being generated, what there is."""
    kept = await require_kept(chat.database, caller.user_id, to_own(COMPLETION, completion_id))
    return JSONResponse(to_completion(kept.turn))


@router.delete("/{completion_id}")
@needs(Scope.CHAT)
async def remove_completion(
    completion_id: str, caller: TokenOwner, chat: ChatDep, visitor: VisitorAudit
) -> JSONResponse:
    """Delete a completion: what was asked and what was answered. What came after it stays."""
    kept = await require_kept(chat.database, caller.user_id, to_own(COMPLETION, completion_id))
    await delete_response(chat.database, caller, visitor.acting_as(caller.user_id), kept)
    return JSONResponse({"id": completion_id, "object": "chat.completion.deleted", "deleted": True})


async def _take_turn(
    chat: Chat, caller: Identity, body: CreateCompletion, idempotency_key: str | None, *, again: bool
) -> TurnStream:
    instructions, messages = instructions_in(body.messages)
    history = History(messages)
    sent = sent_digest(body, instructions)
    if again and idempotency_key is None:
        begun = await retried_turn(chat, caller, history.path_digest, sent)
        if begun is not None:
            return begun
    said: JsonObject = {"kind": "chat.completion", "instructions": instructions, "metadata": body.metadata or {}}
    said["sent"] = sent
    request = ApiRequest(said, history.path_digest, history.prompt_digest)
    deadline = asyncio.get_running_loop().time() + STOPPING_SECONDS
    while True:
        place = await place_of(chat.database, caller.user_id, history)
        if place.conversation_id is not None and asyncio.get_running_loop().time() >= deadline:
            # Its conversation is being answered, as in another window: nothing is lost in one of its own.
            place = Place(history.messages)
        new = await _new_turn(chat, caller, body, place, instructions, idempotency_key)
        if place.conversation_id is None:
            return await take_first_turn(chat, caller, new, request)
        try:
            return await take_turn(chat, caller, new, request)
        except (TurnInProgress, NotFound):  # or it was deleted in this moment
            await asyncio.sleep(STOPPING_POLL_SECONDS)


async def _new_turn(
    chat: Chat,
    caller: Identity,
    body: CreateCompletion,
    place: Place,
    instructions: str | None,
    idempotency_key: str | None,
) -> NewTurn:
    prompt = await to_prompt(chat.files, caller.user_id, to_input(place.prompt), field=MESSAGES)
    return _asked(body, place, prompt, instructions, idempotency_key)


async def _answer_once(chat: Chat, caller: Identity, body: CreateCompletion) -> TurnStream:
    instructions, messages = instructions_in(body.messages)
    prompt, files = await prompt_of(chat, caller, to_input(messages), is_kept=False, field=MESSAGES)
    return await answer_once(chat, caller, _asked(body, Place(messages), prompt, instructions, None), files)


def _asked(
    body: CreateCompletion, place: Place, prompt: Prompt, instructions: str | None, idempotency_key: str | None
) -> NewTurn:
    passed_on = {name: getattr(body, name, None) for name in PASSED_ON}
    return NewTurn(
        conversation_id=place.conversation_id or new_id(),
        content=prompt.text,
        items=prompt.items,
        parent_id=place.parent_id,
        model=body.model,
        params=body.chosen_params(),
        idempotency_key=idempotency_key,
        tools={name: value for name, value in passed_on.items() if value is not None},
        instructions=instructions,
        max_earlier=place.max_earlier,
    )


async def _chunks(following: TurnStream, *, with_usage: bool) -> AsyncGenerator[bytes, None]:
    turn = await following.turn_at_its_start()
    chunks = CompletionChunks(turn, with_usage=with_usage)
    del turn  # its prompt may have megabytes, and the reply may take minutes
    yield chunks.begin()
    async with aclosing(following.stretches()) as found:
        async for spans in found:
            written = chunks.take(spans)
            if written or not spans:
                yield written or KEEP_ALIVE
    turn = await following.turn_at_its_end()
    failed = failed_status(turn)
    yield chunks.finish(turn) if failed is None else error_data(error_body(*failed))
