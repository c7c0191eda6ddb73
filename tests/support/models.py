"""Stand-ins for a language model's weights that a test holds in its hand."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from chatkeep.chat.models import End, ModelError, Piece, Said, Text, Usage
from chatkeep.chat.models.prompt import ChatPrompt


class HeldModel:
    """Says what it is given, and waits where it is told to.

    Each reply is the pieces of `script`, of which a str is text; at a None it waits for `go_on`. It ends with `stop`
    where the script has no `End`. What it was shown is in `prompts`.
    """

    default_name = "held"

    def __init__(self, *script: str | Piece | ModelError | None) -> None:
        self.script = script
        self.prompts: list[ChatPrompt] = []
        self.asked: list[tuple[str | None, dict[str, object]]] = []
        self.stopped = 0
        self._go_on = asyncio.Event()

    def go_on(self) -> None:
        self._go_on.set()

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Said, None]:
        self.prompts.append(prompt)
        self.asked.append((model, dict(params)))
        finished = False
        try:
            for piece in self.script:
                if isinstance(piece, ModelError):
                    raise piece
                if piece is None:
                    await self._go_on.wait()
                else:
                    yield Text(piece) if isinstance(piece, str) else piece
            if not any(isinstance(piece, End) for piece in self.script):
                yield End("stop", Usage(3, 5))
            finished = True
        finally:
            self.stopped += not finished

    async def close(self) -> None:
        return
