"""`/api/v1/conversations/{id}/turns`: turns over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request
from pydantic import Field

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep, CurrentUser
from chatkeep.chat.api.turn_responses import NEW_TURN, STREAM
from chatkeep.chat.chat import Chat
from chatkeep.chat.files.attachments import with_files
from chatkeep.chat.files.store import FileStore
from chatkeep.chat.generation.sse import EventStream
from chatkeep.chat.history import queries
from chatkeep.chat.history.lookups import require_leaf, require_turn
from chatkeep.chat.history.pages import siblings_page, turns_page
from chatkeep.chat.history.turn import NewTurn
from chatkeep.chat.items import AnyItem
from chatkeep.chat.prompt_items import prompt_of
from chatkeep.chat.schemas import CreateTurn, Edit, GiveFeedback, Regenerate, Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound, NothingToContinue
from chatkeep.http.admission import begins_turn
from chatkeep.http.bodies import FromDigits, JsonRoute, takes_body_of
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page
from chatkeep.http.problems import BODY_ERRORS, error_responses
from chatkeep.http.schemas import answer_with

router = APIRouter(prefix="/api/v1/conversations/{conversation_id}/turns", tags=["Turns"], route_class=JsonRoute)

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="A retry with the same key joins the same turn and never makes a second one.",
    ),
]
LastEventId = Annotated[
    Annotated[int, Field(ge=0, lt=2**31), FromDigits] | None,
    Header(description="The `id` of the last event that was received: the stream goes on after it."),
]

# How a reply ends that was cut off.
CAN_BE_CONTINUED = ("incomplete", "stopped", "interrupted")
# How a reply ends whose user was disabled or deleted: sooner than the check of who waits for it.
MAY_HAVE_LOST_ITS_USER = ("stopped", "interrupted")
NOTHING_TO_CONTINUE = "This reply was not cut off. Ask something, or have the prompt answered again."
# The request of regenerating without a body.
AS_BEFORE = Regenerate()


@router.get("", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def list_turns(
    conversation_id: UUID,
    identity: CurrentUser,
    database: DatabaseDep,
    order: Literal["asc", "desc"] = "desc",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Turn]:
    """Return the active path: from the head up (`desc`) or from the root down (`asc`)."""
    return await turns_page(database, identity.user_id, conversation_id, order=order, limit=limit, cursor=cursor)


@router.post("", status_code=201, response_model=Turn, responses=NEW_TURN)
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def create_turn(
    conversation_id: UUID,
    body: CreateTurn,
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Say something. The prompt is kept before the first byte of the answer is sent.

    The answer is a stream of events, or with `stream: false` the finished turn. A client that goes away does not
    end the generation.
    """
    content, items = await _prompt(chat.files, identity, body)
    new = NewTurn(
        conversation_id=conversation_id,
        content=content,
        items=items,
        parent_id=body.parent_id,
        model=body.model,
        params=body.params.chosen(),
        idempotency_key=idempotency_key,
        tools=body.model_dump(include={"tools", "tool_choice"}, exclude_none=True),
    )
    return await _take_turn(chat, identity, new, request, stream=body.stream)


@router.get("/{turn_id}", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def read_turn(conversation_id: UUID, turn_id: UUID, identity: CurrentUser, database: DatabaseDep) -> Turn:
    """Return one turn, on whichever branch it is; of a reply that is being generated, what there is."""
    return await require_turn(database, identity.user_id, conversation_id, turn_id)


@router.post("/{turn_id}/regenerate", status_code=201, response_model=Turn, responses=NEW_TURN)
@begins_turn
@needs(Scope.CHAT)
async def regenerate_turn(
    conversation_id: UUID,
    turn_id: UUID,
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    body: Regenerate = AS_BEFORE,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Ask the same again: a new turn beside this one, which stays as it is. The head moves to the new one."""
    new = NewTurn(
        conversation_id=conversation_id,
        content=None,
        sibling_of=turn_id,
        model=body.model,
        params=body.params.chosen(),
        idempotency_key=idempotency_key,
    )
    return await _take_turn(chat, identity, new, request, stream=body.stream)


@router.post("/{turn_id}/edit", status_code=201, response_model=Turn, responses=NEW_TURN)
@takes_body_of(None)
@begins_turn
@needs(Scope.CHAT)
async def edit_turn(
    conversation_id: UUID,
    turn_id: UUID,
    body: Edit,
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Ask something else instead: a new turn beside this one, which stays as it is. The head moves to the new one."""
    content, items = await _prompt(chat.files, identity, body)
    new = NewTurn(
        conversation_id=conversation_id,
        content=content,
        items=items,
        sibling_of=turn_id,
        idempotency_key=idempotency_key,
    )
    return await _take_turn(chat, identity, new, request, stream=body.stream)


@router.post(
    "/{turn_id}/continue",
    status_code=201,
    response_model=Turn,
    responses=NEW_TURN | error_responses(nothing_to_continue=(409, NOTHING_TO_CONTINUE)),
)
@begins_turn
@needs(Scope.CHAT)
async def continue_turn(
    conversation_id: UUID,
    turn_id: UUID,
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    body: Regenerate = AS_BEFORE,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Go on where a reply was cut off: a new turn below this one, without a prompt, that `continues` it."""
    turn = await require_turn(chat.database, identity.user_id, conversation_id, turn_id)
    if turn.status not in CAN_BE_CONTINUED:
        raise NothingToContinue(NOTHING_TO_CONTINUE)
    new = NewTurn(
        conversation_id=conversation_id,
        content="",
        parent_id=turn_id,
        model=body.model,
        params=body.params.chosen(),
        idempotency_key=idempotency_key,
        continues=True,
    )
    return await _take_turn(chat, identity, new, request, stream=body.stream)


@router.get("/{turn_id}/siblings", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def list_siblings(
    conversation_id: UUID,
    turn_id: UUID,
    identity: CurrentUser,
    database: DatabaseDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Page[Turn]:
    """Return the turns with the same parent, this one among them, oldest first."""
    return await siblings_page(database, identity.user_id, conversation_id, turn_id, limit=limit, cursor=cursor)


@router.get("/{turn_id}/leaf", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def read_leaf(conversation_id: UUID, turn_id: UUID, identity: CurrentUser, database: DatabaseDep) -> Turn:
    """Return the last turn of the newest branch under this one: the head to set to go on where that came to."""
    return await require_leaf(database, identity.user_id, conversation_id, turn_id)


@router.post("/{turn_id}/stop", status_code=202, responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT)
async def stop_turn(conversation_id: UUID, turn_id: UUID, identity: CurrentUser, chat: ChatDep) -> Turn:
    """End the generation, wherever it runs; what was generated is kept. A turn that has ended stays as it is."""
    await chat.stop_turn(identity.user_id, conversation_id, turn_id)
    return await require_turn(chat.database, identity.user_id, conversation_id, turn_id)


@router.get(
    "/{turn_id}/events",
    status_code=200,
    response_class=EventStream,
    responses=STREAM | error_responses(401, 404, 422, 503),
)
@needs(Scope.CHAT, Scope.READ)
async def follow_turn(
    conversation_id: UUID, turn_id: UUID, identity: CurrentUser, chat: ChatDep, last_event_id: LastEventId = None
) -> EventStream:
    """Follow a turn's reply, on any replica, while it is generated and afterwards.

    A stream that ends without `done` was cut, by the network or because its session, token or account ended. Ask again
    with the last id as `Last-Event-ID`: the rest follows, or 401 says that the right to it is gone.
    """
    turn = await require_turn(chat.database, identity.user_id, conversation_id, turn_id)
    events = chat.follow(identity.user_id, turn).events(last_event_id or 0, turn)
    return EventStream(events, chat.streams, stream_terms(identity))


@router.put("/{turn_id}/feedback", responses=error_responses(401, 404, *BODY_ERRORS))
@takes_body_of(None)
@needs(Scope.CHAT)
async def give_feedback(
    conversation_id: UUID, turn_id: UUID, body: GiveFeedback, identity: CurrentUser, database: DatabaseDep
) -> Turn:
    """Say what a reply is worth; it takes the place of what was said before."""
    await _set_feedback(database, identity, conversation_id, turn_id, rating=body.rating, comment=body.comment)
    return await require_turn(database, identity.user_id, conversation_id, turn_id)


@router.delete("/{turn_id}/feedback", status_code=204, responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT)
async def take_feedback_back(
    conversation_id: UUID, turn_id: UUID, identity: CurrentUser, database: DatabaseDep
) -> None:
    """Take back what was said of a reply."""
    await _set_feedback(database, identity, conversation_id, turn_id, rating=None, comment=None)


async def _prompt(
    files: FileStore, identity: Identity, body: CreateTurn | Edit
) -> tuple[str, Sequence[AnyItem] | None]:
    """Return a prompt's text and items; what it holds of files is kept, and referred to."""
    return prompt_of(body.content, await with_files(files, identity.user_id, body.items))


async def _take_turn(chat: Chat, identity: Identity, new: NewTurn, request: Request, *, stream: bool | None) -> Any:
    following = await chat.take_turn(identity, new)
    if stream if stream is not None else _accepts_events(request):
        return EventStream(following.events(), chat.streams, stream_terms(identity))
    terms = stream_terms(identity)
    with chat.streams.hold(terms):
        turn = await following.end()
        if turn.status in MAY_HAVE_LOST_ITS_USER:
            await chat.streams.require(terms)
    return answer_with(turn, 201)


async def _set_feedback(
    database: Database,
    identity: Identity,
    conversation_id: UUID,
    turn_id: UUID,
    *,
    rating: int | None,
    comment: str | None,
) -> None:
    row = await database.row(
        queries.SET_FEEDBACK,
        user_id=identity.user_id,
        conversation_id=conversation_id,
        turn_id=turn_id,
        rating=rating,
        comment=comment,
    )
    if row is None:
        raise NotFound


def _accepts_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "").lower()
