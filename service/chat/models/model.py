"""What the service asks of a language model, whichever it is."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from service.chat.prompt import ChatPrompt


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the reply, as the model said it; what PostgreSQL cannot keep is replaced later."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the reply cost, in the model's own tokens; sent at most once, after the last `Delta`."""

    input_tokens: int
    output_tokens: int


class LanguageModel(Protocol):
    """A model that continues a conversation.

    Attributes:
        default_name: the name of the model that answers when nobody asks for another; None where only the
            first answer tells.
    """

    @property
    def default_name(self) -> str | None: ...

    def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Delta | Usage, None]:
        """Yield the reply piece by piece; its end is the end of a whole reply.

        Whoever stops early closes it (`contextlib.aclosing`), and then the model stops too.

        Args:
            model: None for the default.
            params: as `GenerationParams.chosen()` gives them; a model ignores those that it does not know.

        Raises:
            ModelError: the model failed; what was yielded before it stands.
        """
        ...

    async def close(self) -> None:
        """Give back connections; the model is not asked again."""
        ...


def offered_names(model: LanguageModel, also: Iterable[str] = ()) -> list[str]:
    """Return the names that the operator vouches for: the default's, and `offered` where the model has such a list."""
    names = {model.default_name, *getattr(model, "offered", ()), *also}
    return sorted(name for name in names if name)
