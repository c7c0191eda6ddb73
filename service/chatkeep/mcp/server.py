"""The server of `/mcp`, started with the first request: who does not use it does not pay for its import."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chatkeep.mcp.tools import Reader

# In the scope of a request: the `Call` that it is.
CALL = "chatkeep.mcp"


@dataclass(slots=True)
class Call:
    """A request of a client.

    Attributes:
        failure: what went wrong in a tool, other than for what was asked.
    """

    reader: Reader
    failure: Exception | None = None


class Manager(Protocol):
    """Answers requests while it runs: the `mcp` package's `StreamableHTTPSessionManager`."""

    def run(self) -> contextlib.AbstractAsyncContextManager[None]: ...

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@dataclass(slots=True)
class McpServer:
    """Answers MCP requests, each by itself. It keeps nothing between two of them."""

    _manager: Manager | None = None
    _task: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, request: Request, reader: Reader) -> Response:
        """Return the answer to a request, whose body was read.

        Raises:
            ChatkeepError: a tool failed for another reason than what was asked, as with a database that is away.
        """
        manager = await self._started()
        asked, body, answer = Call(reader), await request.body(), _Answer()
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return unread.pop() if unread else await request.receive()

        await manager.handle_request({**request.scope, CALL: asked}, receive, answer.send)
        if asked.failure is not None:
            raise asked.failure
        if answer.status is None:
            raise RuntimeError("the MCP server gave no answer")
        return Response(answer.body, answer.status, headers=answer.headers)

    async def aclose(self) -> None:
        """End whatever is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _started(self) -> Manager:
        async with self._starting:
            if self._manager is None:
                manager = (await to_thread.run_sync(_load))()
                running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                # Its context is nobody's: not that of the user whose request happens to be the first.
                self._task = asyncio.create_task(_run(manager, running), name="mcp", context=contextvars.Context())
                await running
                self._manager = manager
            return self._manager


def _load() -> Callable[[], Manager]:
    make: Callable[[], Manager] = import_module("chatkeep.mcp.protocol").make_manager
    return make


async def _run(manager: Manager, running: "asyncio.Future[None]") -> None:
    try:
        async with manager.run():
            running.set_result(None)
            await asyncio.Event().wait()
    except BaseException as error:
        if not running.done():
            running.set_exception(error)
        raise


@dataclass(slots=True)
class _Answer:
    """An answer of the manager, put together."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
