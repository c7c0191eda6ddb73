"""The bodies of ChatStream's endpoints. Fields that are not known are ignored, as ChatStream ignores them."""

import json
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from chatkeep.chat.models import GenerationParams
from chatkeep.chatstream.responses import Done
from chatkeep.http.bodies import Flag, Text
from chatkeep.http.strict_json import UNSTORABLE, is_storable

MAX_COMMENT_CHARACTERS = 10_000


class Say(BaseModel):
    user_input: Text | None = None
    regenerate: Flag = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.regenerate and not self.user_input:
            raise PydanticCustomError("nothing_said", "Give `user_input`, or set `regenerate` to true")
        return self


class SetGenerationParams(BaseModel):
    """What is left out goes back to its default."""

    temperature: float | None = Field(None, ge=0, le=2, strict=True, allow_inf_nan=False)
    top_k_value: int | None = Field(None, ge=1, le=1_000_000, strict=True)
    top_p_value: float | None = Field(None, gt=0, le=1, strict=True, allow_inf_nan=False)

    def chosen(self) -> dict[str, object]:
        """Return them as a conversation keeps them."""
        params = GenerationParams(temperature=self.temperature, top_k=self.top_k_value, top_p=self.top_p_value)
        return params.chosen()


def _comment(form_data: Any) -> Any:
    """A form is kept as JSON text, a text as it is."""
    if form_data in (None, "", {}, []):
        return None
    text = form_data if isinstance(form_data, str) else json.dumps(form_data, ensure_ascii=False)
    if len(text) > MAX_COMMENT_CHARACTERS:
        raise PydanticCustomError("too_long", f"May hold at most {MAX_COMMENT_CHARACTERS} characters")
    if not is_storable(text):
        raise PydanticCustomError("invalid_text", UNSTORABLE)
    return text


class GiveFeedback(BaseModel):
    """It takes the place of what was said before; without anything in it, it takes that back."""

    message_id: UUID
    is_like: Flag | None = None
    form_data: Annotated[Any, AfterValidator(_comment)] = None

    @property
    def rating(self) -> int | None:
        return None if self.is_like is None else 1 if self.is_like else -1


class PromptShown(Done):
    prompt: str | None


class ShownParams(BaseModel):
    temperature: float = 1.0
    top_k_value: int | None = None
    top_p_value: float = 1.0


class ParamsShown(Done):
    generation_params: ShownParams


class FeedbackTaken(Done):
    target_message_id: str


class Load(Done):
    chatstream_workers: list[dict[str, str | int]]


class ResourceUsage(Done):
    memory_usage: list[dict[str, Any]]
