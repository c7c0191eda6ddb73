"""A ChatStream server with persistent histories, with settings from the environment.

`CHATSTREAM_MODEL=echo` answers with what was said, a word at a time; `tiny` is a GPT-2 of 43,200 random weights.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chatstream import AbstractChatPrompt, ChatStream
from fastapi import FastAPI

from chatkeep.app import create_app
from chatkeep.chatstream.handler import PersistentChatStreamHandler
from chatkeep.chatstream.model import RepliesFromChatStream
from chatkeep.chatstream.side_by_side import SideBySide
from chatkeep.config import Settings


class BracketPrompt(AbstractChatPrompt):  # type: ignore[misc]  # ChatStream has no types
    """The application's own way to write a prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.set_system("Be kind.")
        self.set_requester("You")
        self.set_responder("Bot")

    def get_stop_strs(self) -> list[str]:
        return []

    def create_prompt(self, opts: dict[str, Any] | None = None) -> str:
        contents = self.get_contents(opts or {})
        lines = [f"[{each.role}]{each.message or ''}" for each in contents]
        prompt = "".join([self.system, *lines])
        if self.get_responder_last_msg() is None:
            print(f"shown: {prompt}", file=sys.stderr, flush=True)
        return prompt

    def build_initial_prompt(self, chat_prompt_obj: Any) -> None:
        return


def model() -> dict[str, Any]:
    """Return ChatStream's arguments for the model to test with."""
    if os.environ.get("CHATSTREAM_MODEL") != "tiny":
        return {"use_mock_response": True, "mock_params": {"type": "echo"}}
    from tests.chatstream.with_chatstream.tiny_model import tiny_model

    return tiny_model()


chatkeep = create_app(Settings.read(), model=RepliesFromChatStream("test"))
chat_stream = ChatStream(
    num_of_concurrent_executions=2,
    max_queue_size=5,
    chat_prompt_clazz=BracketPrompt,
    request_handler=PersistentChatStreamHandler(chatkeep),
    client_roles={"user": {"apis": {"allow": "all", "auth_method": "nothing", "use_session": True}}},
    **model(),
)


@asynccontextmanager
async def life(_app: FastAPI) -> AsyncIterator[None]:
    await chat_stream.start_queue_worker()
    yield


server = FastAPI(lifespan=life)
chat_stream.append_middlewares(server)
chat_stream.append_apis(server, {"all": True})
app = SideBySide(chatkeep, server)
