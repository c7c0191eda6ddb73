"""ChatStream's endpoints at the root, on the caller's persistent conversations."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from pydantic import ValidationError
from starlette.responses import Response

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.identity import VISITOR, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep, CurrentUserOrVisitor
from chatkeep.chat.handler import RequestHandler
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chatstream import queries
from chatkeep.chatstream.conversations import Asking, begin_conversation, conversation_of, look_up
from chatkeep.chatstream.prompts import prompt_of
from chatkeep.chatstream.protocol import CONVERSATION_HEADER
from chatkeep.chatstream.resources import load_of, memory_usage
from chatkeep.chatstream.responses import ChatStreamRoute, Done
from chatkeep.chatstream.roles import require_role, roles_with
from chatkeep.chatstream.schemas import (
    FeedbackTaken,
    GiveFeedback,
    Load,
    ParamsShown,
    PromptShown,
    ResourceUsage,
    Say,
    SetGenerationParams,
    ShownParams,
)
from chatkeep.chatstream.streaming import WholeTextStream
from chatkeep.chatstream.turns import take_turn
from chatkeep.chatstream_roles import ChatStreamApi
from chatkeep.database.stored_json import object_of
from chatkeep.errors import NotFound
from chatkeep.http.admission import begins_turn
from chatkeep.http.bodies import takes_body_of

# Not in the OpenAPI document: its errors are problems, and these are ChatStream's. See docs/chatstream.md.
router = APIRouter(route_class=ChatStreamRoute, include_in_schema=False)


def _may(api: ChatStreamApi) -> Any:
    """Return the dependency of an endpoint: who asks, allowed by role, and for which conversation."""

    async def asking(
        request: Request,
        asker: CurrentUserOrVisitor,
        named: Annotated[UUID | None, Header(alias=CONVERSATION_HEADER)] = None,
    ) -> Asking:
        identity = asker or VISITOR
        require_role(request.app.state.settings, identity, api)
        return Asking(identity, named)

    return Depends(asking)


async def _welcomed(request: Request, handler: RequestHandler, asking: Asking) -> Asking:
    """Return the asking user, now that they begin something: a visitor becomes a guest."""
    if asking.identity is not VISITOR:
        return asking
    if asking.named is not None:
        raise NotFound
    return Asking(await handler.create_guest(request))


@router.post("/chat_stream")
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def chat_stream(
    body: Say, request: Request, chat: ChatDep, asking: Annotated[Asking, _may("chat_stream")]
) -> Response:
    """Say something and stream the whole text so far, again and again. Hanging up stops the reply and keeps it."""
    if not body.regenerate:
        asking = await _welcomed(request, chat.handler, asking)
    terms = stream_terms(asking.identity, roles_with(request.app.state.settings, "chat_stream"))
    following = await take_turn(chat, asking, body)
    return WholeTextStream(following, chat.streams, terms)


@router.post("/clear_context")
@needs(Scope.CHAT)
async def clear_context(chat: ChatDep, response: Response, asking: Annotated[Asking, _may("clear_context")]) -> Done:
    """Begin a new conversation with the system prompt, model and parameters of the old one, which stays as it is."""
    old = await conversation_of(chat.database, asking)
    if old is not None:
        # An empty one is as good as new: the history need not fill with them.
        new = old.id
        if old.head_turn_id is not None:
            new = await begin_conversation(chat.database, chat.clock, asking, replaces=old.id, like=old)
        response.headers[CONVERSATION_HEADER] = str(new)
    return Done()


@router.get("/get_prompt")
@needs(Scope.CHAT)
async def get_prompt(
    request: Request, database: DatabaseDep, asking: Annotated[Asking, _may("get_prompt")]
) -> PromptShown:
    """Return the conversation as one percent-encoded text; null where nothing was said yet."""
    found = await conversation_of(database, asking)
    context_tokens = request.app.state.settings.context_tokens
    prompt = found and await prompt_of(database, asking.user_id, found, context_tokens=context_tokens)
    if not prompt:
        return PromptShown(message="no prompt", prompt=None)
    write: Callable[[ChatPrompt], str] = getattr(request.app.state, "chatstream_prompt", ChatPrompt.create_prompt)
    return PromptShown(prompt=quote(write(prompt), safe=""))


@router.post("/set_generation_params")
@needs(Scope.CHAT)
async def set_generation_params(
    body: SetGenerationParams,
    request: Request,
    chat: ChatDep,
    asking: Annotated[Asking, _may("set_generation_params")],
) -> ParamsShown:
    """Set the conversation's parameters; what is left out goes back to its default."""
    asking = await _welcomed(request, chat.handler, asking)
    conversation_id, found = await look_up(chat.database, asking)
    if found is None:
        conversation_id = await begin_conversation(chat.database, chat.clock, asking, replaces=conversation_id)
    params = await chat.database.row(
        queries.SET_PARAMS,
        user_id=asking.user_id,
        conversation_id=conversation_id,
        params=body.chosen(),
        now=chat.clock(),
    )
    if params is None:
        raise NotFound
    return _shown(params)


@router.get("/get_generation_params")
@needs(Scope.CHAT)
async def get_generation_params(
    database: DatabaseDep, asking: Annotated[Asking, _may("get_generation_params")]
) -> ParamsShown:
    """Return the conversation's parameters."""
    found = await conversation_of(database, asking)
    return _shown(found.params if found else {})


@router.post("/set_feedback")
@takes_body_of(None)
@needs(Scope.CHAT)
async def set_feedback(
    body: GiveFeedback, database: DatabaseDep, asking: Annotated[Asking, _may("set_feedback")]
) -> FeedbackTaken:
    """Keep what the user thinks of a reply, by the id that `/chat_stream` gave, in whichever conversation it is."""
    row = await database.row(
        queries.SET_FEEDBACK,
        user_id=asking.user_id,
        turn_id=body.message_id,
        rating=body.rating,
        comment=body.form_data,
    )
    if row is None:
        raise NotFound
    return FeedbackTaken(target_message_id=str(body.message_id))


@router.get("/get_load", dependencies=[_may("get_load")])
@needs(Scope.CHAT, Scope.READ)
async def get_load(chat: ChatDep) -> Load:
    """Return how many replies are under way in this process, and how many may be."""
    return Load(chatstream_workers=[load_of(chat.generations)])


@router.get("/get_resource_usage", dependencies=[_may("get_resource_usage")])
@needs(Scope.CHAT, Scope.READ)
async def get_resource_usage() -> ResourceUsage:
    """Return the memory that this process uses."""
    return ResourceUsage(memory_usage=[memory_usage()])


def _shown(params: Any) -> ParamsShown:
    names = {"temperature": "temperature", "top_k_value": "top_k", "top_p_value": "top_p"}
    kept = object_of(params)
    chosen = {shown: kept[name] for shown, name in names.items() if name in kept}
    try:
        return ParamsShown(generation_params=ShownParams(**chosen))
    except ValidationError:  # the row holds what no request could have put there
        return ParamsShown(generation_params=ShownParams())
