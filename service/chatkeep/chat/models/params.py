"""How a reply is generated: the parameters that a user may choose, and their bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_TOKENS = 1_000_000

# PostgreSQL's jsonb cannot keep U+0000.
StopText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
TokenCount = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class GenerationParams(BaseModel):
    """The sampling parameters that are passed on to the model; any other name is refused.

    The bounds are OpenAI's where it has the parameter, vLLM's for the last three. A server that does not know
    one of them answers for itself, with `model_bad_request`.

    Source: OpenAI API reference, Create chat completion; vLLM documentation, Sampling parameters.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    stop: StopText | Annotated[list[StopText], Field(min_length=1, max_length=16)] | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_k: int | None = Field(None, ge=-1, le=MAX_TOKENS)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)

    def chosen(self) -> dict[str, object]:
        """Return only what was chosen, as it is stored and sent."""
        return self.model_dump(exclude_none=True)
