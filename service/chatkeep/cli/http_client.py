"""A client of the service's own API, for commands that speak to a running one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

# Errors of a connection.
BROKEN_CONNECTION = (aiohttp.ClientError, OSError, TimeoutError)
CONNECT_SECONDS = 30
# A reply may take its time.
READ_SECONDS = 900
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """The service's answer."""

    status_code: int
    reason_phrase: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Raises: ValueError: it is no JSON."""
        return json.loads(self.body)


class Client:
    """Sends requests to one service, with cookies of its own.

    It also sends them over plain http: a service on one's own machine may mark them `Secure` all the same.

    Args:
        token: sent as a bearer token.
    """

    def __init__(self, url: URL, *, token: str | None = None) -> None:
        self._base = str(url).rstrip("/")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"} if token else None,
            # A proxy of the environment does not know this machine's own addresses.
            trust_env=url.host not in THIS_MACHINE,
            cookie_jar=aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[url.origin()]),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, *, params: Mapping[str, str] | None = None) -> Answer:
        return await self._send("GET", path, params=params)

    async def post(self, path: str, *, json: object, headers: Mapping[str, str] | None = None) -> Answer:
        return await self._send("POST", path, json=json, headers=headers)

    async def patch(self, path: str, *, json: object) -> Answer:
        return await self._send("PATCH", path, json=json)

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        async with self._session.request(method, f"{self._base}{path}", allow_redirects=False, **options) as answer:
            return Answer(answer.status, answer.reason or "", answer.headers, await answer.read())
