"""A model that a test tells what to say to what, and when to go on."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from chatkeep.chat.models import End, ModelError, Piece, Said, Usage
from chatkeep.chat.models.prompt import ChatPrompt


class TaughtModel:
    """Answers a prompt with the pieces that were taught for it, waiting at each None; others it repeats."""

    default_name = "taught"

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None]] = []
        self._lessons: dict[str, tuple[str | Piece | ModelError | None, ...]] = {}
        self._gates: dict[str, asyncio.Event] = {}

    def teach(self, prompt: str, *pieces: str | Piece | ModelError | None) -> None:
        self._lessons[prompt] = pieces
        self._gates[prompt] = asyncio.Event()

    def go_on(self, prompt: str) -> None:
        self._gates[prompt].set()

    def go_on_once(self, prompt: str) -> None:
        """Let it go on to the next place where it waits."""
        gate, self._gates[prompt] = self._gates[prompt], asyncio.Event()
        gate.set()

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Said, None]:
        messages = prompt.to_openai_messages()
        system = next((each["content"] for each in messages if each["role"] == "system"), None)
        self.asked.append((model, system))
        newest = messages[-1]["content"]
        for piece in self._lessons.get(newest, (f"You said: {newest}",)):
            if isinstance(piece, ModelError):
                raise piece
            if piece is None:
                await self._gates[newest].wait()
            else:
                yield piece
        if not any(isinstance(piece, End) for piece in self._lessons.get(newest, ())):
            yield End("stop", Usage(3, 5))

    async def list_models(self) -> list[str]:
        return ["small-one", "taught"]

    async def close(self) -> None:
        return
