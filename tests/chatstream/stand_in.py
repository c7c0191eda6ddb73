"""As much of ChatStream as a request handler meets: its base class, its queue, a model that a test holds in its hand.

Only for what the real one cannot be made to do on demand; `with_chatstream/` runs the real one.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse

from chatkeep.accounts import proxy_accounts
from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.chatstream.model import RepliesFromChatStream
from chatkeep.chatstream.side_by_side import SideBySide
from tests.chatstream.front_end import MARK
from tests.support.running_service import RunningService, running

PASS_PHRASE = "open sesame"


@dataclass
class StandInPrompt:
    """A prompt class of the application's own."""

    system: str = "Be kind."
    messages: list[tuple[str, str | None]] = field(default_factory=list)

    def set_system(self, system: str) -> None:
        self.system = system

    def add_requester_msg(self, message: str) -> None:
        self.messages.append(("You", message))

    def add_responder_msg(self, message: str | None) -> None:
        self.messages.append(("Bot", message))

    def get_responder_last_msg(self) -> str | None:
        return self.messages[-1][1]

    def get_stop_strs(self) -> list[str] | None:
        return ["</s>"]

    def get_replacement_when_output(self) -> list[tuple[str, str]] | None:
        return [("<NL>", "\n")]

    def create_prompt(self, opts: object) -> str:
        return "|".join([self.system, *(f"{who}: {text}" for who, text in self.messages)])


class Generator:
    """Yields the whole texts of `script`, waits at a None for `go_on`, raises what is an exception."""

    def __init__(self) -> None:
        self.script: list[str | Exception | None] = ["Hello", "Hello world"]
        self.prompts: list[StandInPrompt] = []
        self.params: list[object] = []
        self.message_ids: list[str | None] = []
        self.running = 0
        self.go_on = asyncio.Event()

    async def generate(self, prompt: StandInPrompt) -> AsyncGenerator[str, None]:
        self.running += 1
        try:
            for piece in self.script:
                if piece is None:
                    await self.go_on.wait()
                elif isinstance(piece, Exception):
                    raise piece
                else:
                    yield piece + MARK
                    await asyncio.sleep(0)
            prompt.messages[-1] = ("Bot", next(each for each in reversed(self.script) if isinstance(each, str)))
        finally:
            self.running -= 1


class AbstractRequestHandler:
    """Only what a subclass may count on."""

    generator: Generator

    def __init__(self) -> None:
        self.promoted: list[str] = []

    def create_chat_prompt(self) -> StandInPrompt:
        return StandInPrompt()

    def detect_special_command_for_role_promotion(
        self, request: Request, user_input: str, finished: Callable[..., Any]
    ) -> Response | None:
        if user_input != PASS_PHRASE:
            return None

        async def text() -> AsyncIterator[str]:
            yield f"granted{MARK}"
            await finished(request, "success")

        return StreamingResponse(
            text(), media_type="text/plain", headers={"x-chatstream-last-generated-message-id": ""}
        )

    async def generate(
        self, prompt: StandInPrompt, finished: Any, request: Request, params: object, message_id: str | None = None
    ) -> AsyncGenerator[str, None]:
        """Tell how it ended, and swallow a cancellation: the real one does."""
        generator = self.generator
        generator.prompts.append(prompt)
        generator.params.append(params)
        generator.message_ids.append(message_id)
        try:
            async for text in generator.generate(prompt):
                yield text
            await finished("success")
        except asyncio.CancelledError:
            await finished("client_disconnected_while_streaming")
        except Exception:
            await finished("unknown_error_occurred")
            raise


@dataclass
class Queue:
    """Asks the handler, and counts the places that come back."""

    generator: Generator
    handler: Any = None
    taken: int = 0
    messages: list[str] = field(default_factory=list)

    async def chat_stream(self, request: Request) -> Response:
        self.taken += 1

        async def finished(_request: Request, message: str) -> None:
            self.messages.append(message)

        answer: Response = await self.handler.process_request(
            request=request, request_body=None, streaming_finished_callback=finished
        )
        return answer

    async def settled(self) -> list[str]:
        """Wait until every place came back, and then for one that comes back twice; return how."""
        async with asyncio.timeout(10):
            while len(self.messages) < self.taken:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(self.messages) == self.taken
        assert self.generator.running == 0
        return self.messages


@contextmanager
def chatstream_module() -> Iterator[None]:
    """Have `import chatstream` find the stand-in, where the real one is not installed or not wanted."""
    names = ("chatstream", "chatkeep.chatstream.handler")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    module = ModuleType("chatstream")
    module.__dict__["AbstractRequestHandler"] = AbstractRequestHandler
    sys.modules["chatstream"] = module
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@asynccontextmanager
async def beside(
    database_url: str, *, identify: Any = None, identify_by: TrustedHeaderAuth | None = None, **changes: Any
) -> AsyncIterator[tuple[RunningService, Queue]]:
    """Run the service beside a ChatStream server that is a stand-in."""
    queue = Queue(Generator())

    def around(chatkeep: FastAPI) -> SideBySide:
        with chatstream_module():
            from chatkeep.chatstream.handler import PersistentChatStreamHandler

            found = identify if identify_by is None else proxy_accounts.identify_by(identify_by, chatkeep)
            queue.handler = PersistentChatStreamHandler(chatkeep, identify=found)
        queue.handler.generator = queue.generator
        server = FastAPI()
        server.add_api_route("/chat_stream", queue.chat_stream, methods=["POST"], response_model=None)
        return SideBySide(chatkeep, server)

    settings = {"cookie_name": "chatkeep"} | changes
    async with running(database_url, model=RepliesFromChatStream("stand-in"), around=around, **settings) as service:
        yield service, queue
