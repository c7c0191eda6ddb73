"""The bodies of conversations and turns: what comes in, what goes out."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from chatkeep.chat.items import refusal_of
from chatkeep.chat.models import GenerationParams
from chatkeep.chat.records import TurnRecord
from chatkeep.chat.status import Status
from chatkeep.database.stored_json import object_of
from chatkeep.http.bodies import Body, Flag, JsonObject, Name, Text, check_json
from chatkeep.http.schemas import Answer, StoredObject, Time, one_of

MAX_ITEMS = 256
MAX_TOOLS = 128
SystemPrompt = Annotated[Text, Field(max_length=100_000)]
Title = Annotated[Text, Field(min_length=1, max_length=500)]

Tools = Annotated[list[Annotated[dict[str, Any], AfterValidator(check_json)]], Field(max_length=MAX_TOOLS)]
ToolChoice = Annotated[str, Field(max_length=64)] | Annotated[dict[str, Any], AfterValidator(check_json)]

JsonObjects = Annotated[
    list[dict[str, Any]] | None, Field(description="In order, what it is made of; null where that is plain text alone.")
]

FinishReason = Annotated[str, one_of("stop", "length", "content_filter", "tool_calls")]


def _with_type(item: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(item.get("type"), str):
        raise PydanticCustomError("item_type", "An item has a `type`")
    return check_json(item)


PromptItem = Annotated[
    dict[str, Any],
    AfterValidator(_with_type),
    WithJsonSchema({"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}),
]
PromptItems = Annotated[list[PromptItem], Field(min_length=1, max_length=MAX_ITEMS)]


class CreateConversation(Body):
    title: Title | None = None
    system_prompt: SystemPrompt | None = None
    model: Name | None = None
    params: GenerationParams = GenerationParams()
    metadata: JsonObject = Field(default_factory=dict)


def _without_aside(metadata: object) -> object:
    """Leave out what an import has set aside: it is not changed, and may be sent back as it was read, however long."""
    return (
        {name: value for name, value in metadata.items() if name != "import"}
        if isinstance(metadata, dict)
        else metadata
    )


class ChangeConversation(Body):
    title: Title | None = None
    system_prompt: SystemPrompt | None = None
    model: Name | None = None
    params: GenerationParams = GenerationParams()
    archived: Flag = False
    pinned: Flag = False
    metadata: Annotated[
        JsonObject,
        BeforeValidator(_without_aside),
        Field(description="Takes the place of what was there, but for `import`, which stays as it is."),
    ] = Field(default_factory=dict)
    # A conversation with turns has a head: null is not one.
    head_turn_id: UUID = Field(default_factory=lambda: UUID(int=0))


# The document says it as `_says_something` does.
_SAYS_SOMETHING: JsonDict = {
    "anyOf": [
        {"properties": {"content": {"type": "string", "minLength": 1}}},
        {"properties": {"items": {"type": "array", "minItems": 1}}, "required": ["items"]},
    ]
}


class _Prompt(Body):
    """A prompt: text, and items beside it."""

    model_config = ConfigDict(json_schema_extra=_SAYS_SOMETHING)

    # Before the text, which may be empty where there are some.
    items: PromptItems | None = Field(
        None,
        description="What the prompt is made of beside its text, such as `function_call_output`, or `image` and `file` "
        "with a `file_id` or a data: URL in `image_url` or `file_data`.",
    )
    content: Annotated[
        Text, Field(examples=["Write a haiku about tea."], description="Empty only where there are `items`.")
    ]

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: str, given: ValidationInfo) -> str:
        if not content and not given.data.get("items"):
            raise PydanticCustomError("string_too_short", "String should have at least 1 character")
        return content


class CreateTurn(_Prompt):
    parent_id: UUID | None = None
    model: Name | None = None
    params: GenerationParams = GenerationParams()
    tools: Tools | None = Field(None, description="Which tools the model may call, as the model server takes them.")
    tool_choice: ToolChoice | None = Field(None, description="Which of them it is to call, likewise.")
    stream: Flag | None = Field(None, description="Default: true where `Accept` names `text/event-stream`.")


class Regenerate(Body):
    model: Name | None = None
    params: GenerationParams = GenerationParams()
    stream: Flag | None = Field(None, description="Default: true where `Accept` names `text/event-stream`.")


class Edit(_Prompt):
    stream: Flag | None = Field(None, description="Default: true where `Accept` names `text/event-stream`.")


def _no_flag(value: object) -> object:
    """To Python true is 1; to JSON it is not."""
    return None if isinstance(value, bool) else value


class GiveFeedback(Body):
    rating: Annotated[Literal[1, -1], BeforeValidator(_no_flag), Field(description="1 for good, -1 for bad.")]
    comment: Annotated[Text, Field(max_length=10_000)] | None = None


class Conversation(Answer):
    id: UUID
    title: str | None
    system_prompt: str | None
    model: str | None
    params: StoredObject
    head_turn_id: UUID | None
    turn_count: int
    archived: bool
    pinned: bool
    created_at: Time
    updated_at: Time
    last_turn_at: Annotated[Time, Field(description="When its newest turn began; without turns, when it began itself.")]
    metadata: StoredObject


class Content(Answer):
    content: str
    items: JsonObjects = None


class Reply(Content):
    refusal: Annotated[str | None, Field(description="Why the model did not answer.")] = None


class TokenUsage(Answer):
    input_tokens: int
    output_tokens: int
    cached_tokens: Annotated[int | None, Field(description="Part of `input_tokens`; null where not told.")] = None
    reasoning_tokens: Annotated[int | None, Field(description="Part of `output_tokens`; null where not told.")] = None


class ShownContext(Answer):
    turns: Annotated[int, Field(description="How many of the turns before it the model was shown.")]
    left_out: Annotated[int, Field(description="How many older ones did not fit.")]


class TurnError(Answer):
    code: str
    detail: str


class Feedback(Answer):
    rating: Literal[1, -1]
    comment: str | None


class Siblings(Answer):
    count: Annotated[int, Field(description="Turns with the same parent, this one among them.")]
    position: Annotated[int, Field(description="1 for the oldest.")]


class Turn(Answer):
    id: UUID
    conversation_id: UUID
    parent_id: UUID | None
    index: Annotated[int, Field(description="How many turns lie before it on its path.")]
    status: Status
    finish_reason: Annotated[FinishReason | None, Field(description="As the model said.")]
    continues: Annotated[
        UUID | None, Field(description="The turn whose reply this one goes on with, without a prompt of its own.")
    ]
    prompt: Content
    reply: Reply | None
    model: str | None
    params: StoredObject
    usage: TokenUsage | None
    context: ShownContext | None
    error: TurnError | None
    feedback: Feedback | None
    siblings: Siblings
    created_at: Time
    completed_at: Time | None

    @property
    def text_length(self) -> int:
        """How many characters the prompt and the reply have."""
        return len(self.prompt.content) + (len(self.reply.content) if self.reply else 0)

    @classmethod
    def from_record(cls, turn: TurnRecord) -> Self:
        return cls(
            id=turn.id,
            conversation_id=turn.conversation_id,
            parent_id=turn.parent_id,
            index=turn.position,
            status=turn.status,
            finish_reason=turn.finish_reason,
            continues=turn.parent_id if turn.continues else None,
            prompt=Content(content=turn.prompt, items=_items(turn.prompt_items)),
            reply=_reply(turn),
            model=turn.model,
            params=turn.params,
            usage=_usage(turn),
            context=_context(turn),
            error=_error(turn),
            feedback=_feedback(turn),
            siblings=Siblings(count=turn.sibling_count, position=turn.sibling_position),
            created_at=turn.created_at,
            completed_at=turn.completed_at,
        )


def _usage(turn: TurnRecord) -> TokenUsage | None:
    if turn.input_tokens is None or turn.output_tokens is None:
        return None
    return TokenUsage(**{name: getattr(turn, name) for name in TokenUsage.model_fields})


def _context(turn: TurnRecord) -> ShownContext | None:
    left_out = turn.left_out
    return None if left_out is None else ShownContext(turns=turn.position - left_out, left_out=left_out)


def _reply(turn: TurnRecord) -> Reply | None:
    items = _items(turn.reply_items)
    if turn.reply is None and items is None:
        return None
    return Reply(content=turn.reply or "", items=items, refusal=refusal_of(items))


def _items(value: Any) -> list[dict[str, Any]] | None:
    """Return items as a row holds them, from any release."""
    return [object_of(each) for each in value] if isinstance(value, list) else None


def _error(turn: TurnRecord) -> TurnError | None:
    if turn.error_code is None:
        return None
    return TurnError(code=turn.error_code, detail=turn.error_detail or "")


def _feedback(turn: TurnRecord) -> Feedback | None:
    return None if turn.rating is None else Feedback(rating=turn.rating, comment=turn.comment)
