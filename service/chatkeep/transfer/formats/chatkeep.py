"""This service's own files: conversations as `exporting` writes them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from chatkeep.chat.models import GenerationParams
from chatkeep.chat.reply_log import fits_reply
from chatkeep.chat.status import Status
from chatkeep.transfer.exporter import OWN_FORMAT
from chatkeep.transfer.formats.fields import time_of_number
from chatkeep.transfer.imported import ImportedConversation, ImportedTurn, Unreadable

SOURCE = "chatkeep"

FIRST_TIME, LAST_TIME = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Count = Annotated[int, Field(ge=0, lt=2**31)]


def _numbers_read(value: Any) -> Any:
    """Read a number as the other formats do: pydantic takes the last second of 9999 for a day of 1978.

    A number that tells no time becomes an end of the calendar, which counts as no date.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return time_of_number(number) or (LAST_TIME if number > 0 else FIRST_TIME)


Time = Annotated[AwareDatetime, BeforeValidator(_numbers_read)]


class _Own(BaseModel):
    # Fields that follow from the rest are written too, and not read: an index, siblings, a number of turns.
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Content(_Own):
    content: str
    items: list[dict[str, Any]] | None = None


class _Usage(_Own):
    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class _Context(_Own):
    left_out: Count


class _Error(_Own):
    code: str
    detail: str


class _Feedback(_Own):
    rating: Literal[1, -1]
    comment: str | None = None


class _Turn(_Own):
    id: UUID
    parent_id: UUID | None
    status: Status
    # Files of before there were these have none of them.
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"] | None = None
    continues: UUID | None = None
    context: _Context | None = None
    prompt: _Content
    reply: _Content | None
    model: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    usage: _Usage | None = None
    error: _Error | None = None
    feedback: _Feedback | None = None
    created_at: Time
    completed_at: Time | None = None


class _Conversation(_Own):
    format: Literal["chatkeep/1"]
    id: UUID
    title: str | None = None
    system_prompt: str | None = None
    model: Annotated[str, Field(max_length=200)] | None = None
    # They go to the model with the next turn, and so are held to what the API takes.
    params: GenerationParams = GenerationParams()
    metadata: dict[str, Any] = Field(default_factory=dict)
    archived: bool = False
    pinned: bool = False
    head_turn_id: UUID | None = None
    created_at: Time
    updated_at: Time | None = None
    turns: list[_Turn]


def is_own(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("format"), str) and value["format"].partition("/")[0] == OWN_FORMAT.partition("/")[0]


def read_own(value: Mapping[str, Any]) -> ImportedConversation:
    """Return a conversation that this service exported.

    Raises:
        Unreadable: says which field is missing or wrong.
    """
    try:
        told = _Conversation.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{where}: {first['msg']}.", _id_of(value)) from None
    is_part = isinstance(part := value.get("part"), int) and part > 1
    turns = _in_order(told.turns, str(told.id), is_part=is_part)
    places: dict[UUID | None, int] = {turn.id: place for place, turn in enumerate(turns)}
    return ImportedConversation(
        source=SOURCE,
        source_id=str(told.id),
        title=told.title,
        system_prompt=told.system_prompt,
        model=told.model,
        params=told.params.chosen(),
        metadata=told.metadata,
        archived=told.archived,
        pinned=told.pinned,
        created_at=told.created_at,
        updated_at=told.updated_at,
        turns=[_turn(turn, places.get(turn.parent_id), str(told.id)) for turn in turns],
        in_order=True,
        owner=value["username"] if isinstance(value.get("username"), str) else None,
        head=places.get(told.head_turn_id),
        head_source_id=str(told.head_turn_id) if told.head_turn_id else None,
        is_part=is_part,
    )


def is_own_turn(value: Mapping[str, Any]) -> bool:
    """Tell whether a value is a turn alone, as the JSONL of a conversation and that of administrators have it."""
    return "conversation_id" in value and "siblings" in value and isinstance(value.get("prompt"), dict)


def conversation_of_turns(conversation_id: str, turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return turns as a conversation. One whose parent is not among them begins it: a file may be of a part."""
    ids = {turn.get("id") for turn in turns if isinstance(turn.get("id"), str)}
    rooted = [turn if turn.get("parent_id") in ids else {**turn, "parent_id": None} for turn in turns]
    times = [turn["created_at"] for turn in turns if isinstance(turn.get("created_at"), str)]
    first = turns[0]
    return {
        "format": OWN_FORMAT,
        "id": conversation_id,
        "title": first.get("conversation_title"),
        "username": first.get("username"),
        "created_at": min(times, default=None),
        "turns": rooted,
    }


def _id_of(value: Mapping[str, Any]) -> str | None:
    found = value.get("id")
    return found if isinstance(found, str) and len(found) <= 36 else None


def _in_order(turns: Sequence[_Turn], source_id: str, *, is_part: bool) -> list[_Turn]:
    """Return the turns in the order of their ids, which is that of time, and none before its parent.

    Args:
        is_part: parents may be in a part before it.

    Raises:
        Unreadable: a turn comes twice, or its parent never.
    """
    by_id = {turn.id: turn for turn in turns}
    if len(by_id) < len(turns):
        raise Unreadable("Two of its turns have the same id.", source_id)
    keys: dict[UUID | None, tuple[int, int]] = {None: (0, -1)}
    if is_part:
        keys |= dict.fromkeys({turn.parent_id for turn in turns} - by_id.keys(), (0, -1))
    for turn in turns:
        below: list[_Turn] = []
        above: _Turn | None = turn
        while above is not None and above.id not in keys:
            if len(below) > len(turns):
                raise Unreadable("Some of its turns are each other's parents.", source_id)
            below.append(above)
            if above.parent_id not in by_id and above.parent_id not in keys:
                raise Unreadable("The parent of one of its turns is not among them.", source_id)
            above = by_id.get(above.parent_id) if above.parent_id else None
        for each in reversed(below):
            newest, depth = keys[each.parent_id]
            keys[each.id] = (max(newest, each.id.int), depth + 1)
    return sorted(turns, key=lambda turn: keys[turn.id])


def _turn(turn: _Turn, parent: int | None, source_id: str) -> ImportedTurn:
    reply_items = turn.reply.items if turn.reply else None
    if reply_items is not None and turn.reply and not fits_reply(turn.reply.content, reply_items):
        raise Unreadable("The items of one of its replies do not fit its text.", source_id)
    return ImportedTurn(
        parent=parent,
        prompt=turn.prompt.content,
        reply=turn.reply.content if turn.reply else None,
        # Nobody generates it here.
        status="interrupted" if turn.status == "streaming" else turn.status,
        model=turn.model,
        params=turn.params,
        input_tokens=turn.usage.input_tokens if turn.usage else None,
        output_tokens=turn.usage.output_tokens if turn.usage else None,
        cached_tokens=turn.usage.cached_tokens if turn.usage else None,
        reasoning_tokens=turn.usage.reasoning_tokens if turn.usage else None,
        finish_reason=turn.finish_reason,
        prompt_items=turn.prompt.items,
        reply_items=reply_items,
        left_out=turn.context.left_out if turn.context else None,
        continues=(turn.continues is not None and turn.continues == turn.parent_id) or None,
        error_code=turn.error.code if turn.error else None,
        error_detail=turn.error.detail if turn.error else None,
        rating=turn.feedback.rating if turn.feedback else None,
        comment=turn.feedback.comment if turn.feedback else None,
        source_id=str(turn.id),
        parent_source_id=str(turn.parent_id) if turn.parent_id is not None and parent is None else None,
        created_at=turn.created_at,
        completed_at=turn.completed_at,
    )
