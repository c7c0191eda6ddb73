"""The model that is there when no other is: small, deterministic, and plainly a demonstration."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping

from chatkeep.chat.models.context import estimate_tokens
from chatkeep.chat.models.demonstration_replies import write_reply
from chatkeep.chat.models.pieces import End, Text, Usage
from chatkeep.chat.models.prompt import ChatPrompt

# Up to three characters of a script without spaces, or a word with the space before it.
_PIECE = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]{1,3}|\s*[^\s\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]+|\s+"
)


class DemonstrationModel:
    """Answers at once and without a network, and shows in every reply that it was given the earlier turns.

    Args:
        pause_seconds: between two pieces, so that streaming can be seen; None says everything in one go.
    """

    default_name = "demonstration"

    def __init__(self, pause_seconds: float | None = 0.03) -> None:
        self.pause_seconds = pause_seconds

    async def stream(
        self,
        prompt: ChatPrompt,
        *,
        model: str | None,  # noqa: ARG002  # the seam's; there is only this model
        params: Mapping[str, object],
    ) -> AsyncGenerator[Text | End, None]:
        """Yield the reply word by word, Japanese by up to three characters; then how it ended and its estimated cost.

        Args:
            model: any name changes nothing.
            params: `max_tokens` or `max_completion_tokens` ends the reply early; others change nothing.
        """
        whole, written = write_reply(prompt), ""
        for piece in _shortened(whole, _most_tokens(params)):
            if self.pause_seconds is not None:
                await asyncio.sleep(self.pause_seconds)
            written += piece
            yield Text(piece)
        asked = sum(estimate_tokens(message["content"]) for message in prompt.to_openai_messages())
        yield End("stop" if written == whole else "length", Usage(asked, estimate_tokens(written)))

    async def close(self) -> None:
        """There is nothing to give back."""


def pieces(text: str) -> list[str]:
    """Return `text` cut as it is streamed; joined, the pieces are the text."""
    return _PIECE.findall(text)


def _shortened(text: str, most_tokens: int | None) -> Iterator[str]:
    spent = 0
    for piece in pieces(text):
        if most_tokens is not None:
            spent += estimate_tokens(piece)
            if spent > most_tokens:
                return
        yield piece


def _most_tokens(params: Mapping[str, object]) -> int | None:
    limits = (params.get("max_tokens"), params.get("max_completion_tokens"))
    return min((limit for limit in limits if isinstance(limit, int)), default=None)
