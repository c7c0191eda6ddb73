"""The service as it is, with a model that costs nothing, so that only the service is measured."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from fastapi import FastAPI

from bench.bare_app import PIECES, TEXT
from service.app import create_app
from service.app.logs import configure_logging
from service.chat.models import Delta, Usage
from service.chat.prompt import ChatPrompt
from service.config import Settings


class InstantModel:
    """Says as many pieces as the prompt asks for, and waits for the clock in between where it is told to."""

    default_name = "instant"

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Delta | Usage, None]:
        asked = prompt.get_requester_last_msg() or ""
        if asked == "hold":
            yield Delta(TEXT)
            await asyncio.sleep(3600)
        for _ in range(PIECES if asked == "many" else 1):
            await asyncio.sleep(0)
            yield Delta(TEXT)

    async def close(self) -> None:
        return


def application() -> FastAPI:
    settings = Settings.read()
    configure_logging(settings)
    return create_app(settings, model=InstantModel())
