"""One request and its answer, and the moments at which its session is kept."""

from anyio import CancelScope, move_on_after
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import Message, Send
from starlette.websockets import WebSocketDisconnect

from service.sessions.keeping import SessionKeeper
from service.sessions.open_session import OpenSession

# What carries the answer's headers: an HTTP response, a WebSocket that is taken, or one that is refused in full.
BEGINNINGS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
CLIENT_LEFT = (ClientDisconnect, WebSocketDisconnect)
FIRST_FAILURE = 500
END_TIMEOUT_SECONDS = 5


class Exchange:
    """Keeps the session before the first byte of the answer, and once more when the answer has ended.

    Whoever got an answer may rely on what the handler had put into the session by then. A handler that fails, by
    raising or by a status of 500 or more, has nothing of it kept. What a stream or a WebSocket changes later is kept
    when it ends, also when it ends because the client left; a process that dies in between loses just that.
    """

    def __init__(self, session: OpenSession, keeper: SessionKeeper, send: Send) -> None:
        self._session = session
        self._keeper = keeper
        self._send = send
        # Until something is sent: an application that returns without an answer failed.
        self._failed = True

    async def send(self, message: Message) -> None:
        """Pass on what the application sends; nothing is held back or looked into."""
        if message["type"] in BEGINNINGS and not self._session.answer_begun:
            await self._begin(message)
        elif message["type"] == "websocket.close":
            self._failed = False
        await self._send(message)

    async def _begin(self, message: Message) -> None:
        if message.get("status", 200) < FIRST_FAILURE:
            await self._keeper.keep(self._session)
            self._failed = False
        elif self._session.invalidated:
            await self._keeper.end(self._session)
        self._session.answer_begun = True
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        for header in self._keeper.cookie_headers(self._session):
            headers.append("Set-Cookie", header)

    async def finished(self) -> None:
        """Keep what was changed since the answer began."""
        if not self._failed:
            self._session.answer_begun = True
            await self._keeper.keep(self._session)
        await self._keeper.sweep_when_due()

    async def broken_off(self, error: BaseException) -> None:
        """Do what is left to do when the application raised."""
        with CancelScope(shield=True), move_on_after(END_TIMEOUT_SECONDS):
            if isinstance(error, CLIENT_LEFT) and not self._failed:
                await self.finished()
            elif self._session.invalidated:
                # To sign out and then to fail is still to have signed out.
                await self._keeper.end(self._session)
