"""Stand-ins for a language model's weights that a test holds in its hand."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from service.chat.models import Delta, ModelError, Usage
from service.chat.prompt import ChatPrompt


class HeldModel:
    """Says what it is given, and waits where it is told to.

    Each reply is the pieces of `script`; at a None it waits for `go_on`. What it was shown is in `prompts`.
    """

    default_name = "held"

    def __init__(self, *script: str | ModelError | None) -> None:
        self.script = script
        self.prompts: list[ChatPrompt] = []
        self.asked: list[tuple[str | None, dict[str, object]]] = []
        self.stopped = 0
        self._go_on = asyncio.Event()

    def go_on(self) -> None:
        self._go_on.set()

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Delta | Usage, None]:
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
                    yield Delta(piece)
            yield Usage(3, 5)
            finished = True
        finally:
            self.stopped += not finished

    async def close(self) -> None:
        return
