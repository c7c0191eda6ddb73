"""The pieces that a model's reply is made of, in the order in which they are said."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "content_filter", "tool_calls"]
# Where reasoning came from: a field of the answer, or marks in its text (also a list's parts that say what they are).
ReasoningField: TypeAlias = Literal["reasoning_content", "reasoning", "reasoning_details", "think", "harmony"]


@dataclass(frozen=True, slots=True)
class Text:
    """The next characters of the answer, as the model said them; what PostgreSQL cannot keep is replaced later."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The next characters of what the model thought before it answered.

    Attributes:
        field: the name under which they came, and under which a model may want them back.
    """

    text: str
    field: str


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """All text so far was reasoning: the mark at its end told so, and the model's template had begun it.

    It changes no position. Those who follow have been shown the text; the turn's end says what it was.
    """

    field: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The next characters of why the model does not answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A whole item in OpenAI's Responses vocabulary, such as a `function_call`; of an unknown type as it came."""

    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of a reply, in the model's own tokens.

    Attributes:
        cached_tokens: how many of the input's were cached; None where the model does not say.
        reasoning_tokens: how many of the output's were reasoning; None where the model does not say.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The last piece: how the model says that its reply ended.

    Attributes:
        finish_reason: None where it only said that nothing more comes.
    """

    finish_reason: FinishReason | None
    usage: Usage | None = None


Piece: TypeAlias = Text | Reasoning | TextWasReasoning | Refusal | Item | End
# The output of a model: a plain str is text, and a Usage the end of a whole reply.
Said: TypeAlias = Piece | Usage | str


def as_piece(said: Said) -> Piece:
    """Return a model's output as a piece."""
    if isinstance(said, str):
        return Text(said)
    return End("stop", said) if isinstance(said, Usage) else said
