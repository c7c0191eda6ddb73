"""The service as it is; only its model does not wait, so that only the service is measured, or is a server's."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from fastapi import FastAPI

from bench.bare_app import TEXT
from chatkeep.app import create_app
from chatkeep.app.logs import configure_logging
from chatkeep.chat.models import DemonstrationModel, End, Text
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.config import Settings


class ScriptedModel(DemonstrationModel):
    """The demonstration without its pauses.

    Told `many 500` it says 500 pieces, told `slow` one every 25 ms for ever, told `hold` one and no more.
    """

    def __init__(self) -> None:
        super().__init__(pause_seconds=None)

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Text | End, None]:
        asked, _, number = (prompt.get_requester_last_msg() or "").partition(" ")
        if asked == "many":
            for _ in range(int(number)):
                await asyncio.sleep(0)
                yield Text(TEXT)
        elif asked == "slow":
            while True:
                await asyncio.sleep(0.025)
                yield Text(TEXT)
        elif asked == "hold":
            yield Text(TEXT)
            await asyncio.sleep(3600)
        else:
            async for piece in super().stream(prompt, model=model, params=params):
                yield piece


def application() -> FastAPI:
    settings = Settings.read()
    configure_logging(settings)
    return create_app(settings, model=ScriptedModel())


def with_model_server() -> FastAPI:
    settings = Settings.read()
    configure_logging(settings)
    return create_app(settings)
