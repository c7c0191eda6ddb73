"""The middleware: fastsession's parameters, and pure ASGI, so that streams pass as they are."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from anyio import CancelScope, move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from chatkeep.clock import Clock, utc_now
from chatkeep.errors import ConfigurationError
from chatkeep.sessions.cookies import Key, SameSite, SignedCookie, signing_keys
from chatkeep.sessions.fastsession_store import AdaptedStore, FastSessionStore
from chatkeep.sessions.http_session import SCOPE_KEY, HttpSession
from chatkeep.sessions.identity_keys import SIGN_IN_KEYS
from chatkeep.sessions.keeper import SessionKeeper
from chatkeep.sessions.listeners import Listeners, Logger, SessionListener, SessionLog
from chatkeep.sessions.memory_store import MemoryStore
from chatkeep.sessions.open_session import OpenSession
from chatkeep.sessions.store import SessionLimits, SessionStore

# Messages that carry the answer's headers: an HTTP response, a WebSocket that is taken, or one that is refused in full.
BEGINNINGS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
CLIENT_LEFT = (ClientDisconnect, WebSocketDisconnect)
FIRST_FAILURE = 500
END_TIMEOUT_SECONDS = 5

SkipHeader: TypeAlias = Mapping[str, str] | Sequence[Mapping[str, str]] | None

SALT = "chatkeep.http-session.v1"
IDLE_SECONDS = 12 * 60 * 60
DEFAULT_MAX_SECONDS = 90 * 24 * 60 * 60
MAX_SECONDS = 100 * 366 * 24 * 60 * 60
# A client may send as many cookies of one name as it likes; each costs a signature and perhaps a look-up.
MAX_COOKIES = 4


class Exchange:
    """Keeps the session before the first byte of the answer, and once more when the answer has ended.

    A client that got an answer may rely on what the handler had put into the session by then. A handler that fails, by
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
        """Finish the exchange when the application raised."""
        with CancelScope(shield=True), move_on_after(END_TIMEOUT_SECONDS):
            if isinstance(error, CLIENT_LEFT) and not self._failed:
                await self.finished()
            elif self._session.invalidated:
                # To sign out and then to fail is still to have signed out.
                await self._keeper.end(self._session)


class SkipRule:
    """Says which requests go without a session.

    Args:
        skip_session_header: `{"header_name": …, "header_value": …}`, or a list of them; the value `*` stands for any.
            None: no header that a client sends does anything.
    """

    def __init__(self, skip_session_header: SkipHeader) -> None:
        given = [skip_session_header] if isinstance(skip_session_header, Mapping) else skip_session_header or []
        self._headers = [(each["header_name"], each["header_value"]) for each in given]

    def matches(self, headers: Headers) -> bool:
        return any(_matches(headers.get(name), wanted) for name, wanted in self._headers)


def _matches(sent: str | None, wanted: str) -> bool:
    return sent is not None and wanted in ("*", sent)


class FasterSessionMiddleware:
    """Gives every request and WebSocket a session, as `request.state.session` and `request.session`.

    Args:
        secret_key: signs the cookie; one key or several, of which the last signs and all verify.
        store: `MemoryStore()`, `DatabaseStore(…)`, your own `SessionStore`, or any store written for fastsession.
            None: a `MemoryStore` of this application's own.
        http_only: no script of a page can read the cookie.
        secure: send it over https only.
        same_site: `lax`, `strict`, `none`; None leaves it to the browser.
        max_age: seconds, renewed by use, that the browser keeps the cookie and the server the session; 0: until the
            browser is closed.
        session_cookie: the cookie's name.
        session_object: the session's name under `request.state`.
        skip_session_header: requests that are served without a session, see `SkipRule`.
        logger: has `info` and `debug`; never told a secret or a whole id.
        max_inactive_interval: seconds without use after which the server ends a session; 0: never. None takes
            `max_age`, or 12 hours where that is 0.
        max_lifetime: seconds after which a session ends, used or not: who copied a cookie cannot keep it alive for
            ever. None takes 90 days, or `max_age` where that is longer.
        sign_in_keys: attributes that say who is signed in; where one names somebody else the id changes.
        listeners: are told of sessions that begin, end or change their id.

    Raises:
        ConfigurationError: a key is empty or an example, or a parameter makes no sense.

    Source: fastsession 0.3.0, README; OWASP Session Management Cheat Sheet.
    """

    def __init__(
        self,
        app: ASGIApp,
        secret_key: Key | Sequence[Key],
        store: SessionStore | FastSessionStore | None = None,
        http_only: bool = True,
        secure: bool = True,
        same_site: str | None = "lax",
        max_age: int | None = 0,
        session_cookie: str = "sid",
        session_object: str = "session",
        skip_session_header: SkipHeader = None,
        logger: Logger | None = None,
        *,
        max_inactive_interval: int | None = None,
        max_lifetime: int | None = None,
        sign_in_keys: Sequence[str] | frozenset[str] = SIGN_IN_KEYS,
        listeners: Sequence[SessionListener] = (),
        clock: Clock = utc_now,
    ) -> None:
        age = _seconds("max_age", max_age or 0)
        log = SessionLog(logger)
        self.app = app
        self._session_object = session_object
        self._skip = SkipRule(skip_session_header)
        self._cookie = SignedCookie(
            signing_keys(secret_key),
            name=session_cookie,
            # With the name: what one key signed for another cookie, or another purpose, is no session's.
            salt=f"{SALT}:{session_cookie}",
            secure=secure,
            same_site=_same_site(same_site),
            http_only=http_only,
        )
        self._keeper = SessionKeeper(
            store=_store(store),
            cookie=self._cookie,
            limits=_limits(age, max_inactive_interval, max_lifetime),
            max_age_seconds=age or None,
            sign_in_keys=frozenset(sign_in_keys),
            listeners=Listeners(listeners, log),
            log=log,
            clock=clock,
        )
        log.explain(f"sessions in {type(self._keeper.store).__name__}, named by the cookie {session_cookie!r}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] in ("http", "websocket"):
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            await self._keeper.store.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._skip.matches(headers):
            session = self._keeper.open_detached()
        else:
            session = await self._keeper.open(self._values(headers))
        self._attach(scope, HttpSession(session, self._keeper), session.attributes)
        exchange = Exchange(session, self._keeper, send)
        try:
            await self.app(scope, receive, exchange.send)
        except BaseException as error:
            await exchange.broken_off(error)
            raise
        await exchange.finished()

    def _attach(self, scope: Scope, session: HttpSession, attributes: dict[str, Any]) -> None:
        scope[SCOPE_KEY] = session
        scope["session"] = attributes
        scope.setdefault("state", {})[self._session_object] = session

    def _values(self, headers: Headers) -> list[str]:
        """Return the values of the cookie: a browser may hold several, of other paths, and the wrong one first."""
        pairs = (part.strip().partition("=") for line in headers.getlist("cookie") for part in line.split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self._cookie.name][:MAX_COOKIES]


def _store(store: SessionStore | FastSessionStore | None) -> SessionStore:
    if store is None:
        return MemoryStore()
    if isinstance(store, SessionStore):
        return store
    if isinstance(store, FastSessionStore):
        return AdaptedStore(store)
    raise ConfigurationError("store is neither a SessionStore nor a store as fastsession takes one.")


def _limits(max_age: int, max_inactive_interval: int | None, max_lifetime: int | None) -> SessionLimits:
    idle = max_age or IDLE_SECONDS if max_inactive_interval is None else max_inactive_interval
    longest = max(max_age, DEFAULT_MAX_SECONDS) if max_lifetime is None else max_lifetime
    return SessionLimits(_seconds("max_inactive_interval", idle), _seconds("max_lifetime", longest))


def _same_site(value: str | None) -> SameSite | None:
    if value is None:
        return None
    for known in ("lax", "strict", "none"):
        if value.lower() == known:
            return known
    raise ConfigurationError("same_site is lax, strict, none, or left out.")


def _seconds(name: str, value: int) -> int:
    if not 0 <= value <= MAX_SECONDS:
        raise ConfigurationError(f"{name} is a number of seconds, and at most a hundred years.")
    return value


FastSessionMiddleware = FasterSessionMiddleware
