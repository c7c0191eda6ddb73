"""The interface of a language model, whichever it is."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Protocol

from chatkeep.chat.models.pieces import Said, Text
from chatkeep.chat.models.prompt import ChatPrompt

# The name of `Text` before replies had other pieces, for models written then.
Delta = Text

# Of a model's name that has counters of its own in the statistics.
MAX_COUNTED_CHARACTERS = 200


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
    ) -> AsyncGenerator[Said, None]:
        """Yield the reply piece by piece; `End` tells how it ended, and no `End` that it is whole.

        A caller that stops early closes it (`contextlib.aclosing`), and then the model stops too.

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
    """Return the names that the operator vouches for: the default's, and `offered` where the model has such a list.

    Without those that are too long to be the key of a counter.
    """
    names = {model.default_name, *getattr(model, "offered", ()), *also}
    return sorted(name for name in names if name and len(name) <= MAX_COUNTED_CHARACTERS)
