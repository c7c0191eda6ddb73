"""The HTTP connection to a model server."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import aiohttp
import anyio.to_thread
from pydantic import SecretStr
from yarl import URL

from chatkeep.chat.file_parts import parts_of
from chatkeep.chat.models.openai_address import parse_address

MAX_REFUSAL_BYTES = 64 * 1024
MAX_LIST_BYTES = 8 * 1024 * 1024
KEEP_ALIVE_SECONDS = 15.0
# Errors of a connection; a `TimeoutError` is ours or the library's.
BROKEN_CONNECTION = (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError)


class Connection:
    """Sends requests where it is told: no redirects, no cookies, no proxies and no `.netrc` of the environment.

    A key meant for one server would reach another, one user's cookie all users. Reading has no time-out here:
    `Silence` has it. The number of connections is the number of generations, which is bounded elsewhere.

    Args:
        headers: sent with every request, besides those that describe its body.
        proxy: the address of an HTTP proxy, with user and password where it takes them.
    """

    def __init__(self, headers: Mapping[str, SecretStr], connect_seconds: float, proxy: SecretStr | None) -> None:
        self._headers = headers
        self._connect_seconds = connect_seconds
        if proxy is not None:
            parse_address(proxy.get_secret_value(), "CHATKEEP_MODEL_PROXY")
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None

    async def post(self, address: URL, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """Send a document, and return the answer once its headers are there."""
        # Pictures make it megabytes, and other replies go on meanwhile.
        has_files = bool(parts_of(body.get("messages", ())))
        data = await anyio.to_thread.run_sync(_dumped, body) if has_files else _dumped(body)
        return await self._send("POST", address, data, {"Content-Type": "application/json"})

    async def get(self, address: URL) -> aiohttp.ClientResponse:
        return await self._send("GET", address, None, {})

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(
        self, method: str, address: URL, data: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        own = {name: value.get_secret_value() for name, value in self._headers.items()}
        return await self._opened().request(
            method,
            address,
            data=data,
            headers={"Accept": "application/json", **headers, **own},
            allow_redirects=False,
            proxy=None if self._proxy is None else self._proxy.get_secret_value(),
            ssl=await self._tls_for(address),
        )

    async def _tls_for(self, address: URL) -> ssl.SSLContext | Literal[True]:
        """Return the certificates to trust; loading them takes a tenth of a second, in which replies go on."""
        schemes = {address.scheme}
        if self._proxy is not None:
            schemes.add(URL(self._proxy.get_secret_value()).scheme)
        if "https" not in schemes:
            return True
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(_tls)
        return self._tls

    def _opened(self) -> aiohttp.ClientSession:
        """Made at the first request: it belongs to the event loop that runs then."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                trust_env=False,
            )
        return self._session


def _dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@cache
def _tls() -> ssl.SSLContext:
    """Trust the system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return ssl.create_default_context()


class Silence:
    """Reads an answer, and ends a wait for bytes that lasts too long. One timer serves many waits."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, seconds: float) -> bytes:
        """Return the bytes that have come; b"" at the end.

        Raises:
            TimeoutError: nothing came within `seconds`.
            aiohttp.ClientError, OSError: the connection broke; what had come is returned before.
        """
        self._until = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer(self._until)
        try:
            return await self._content.readany()
        finally:
            self._until = None

    def left_over(self) -> bytes:
        """Return the bytes from before the connection broke; the library raises before it gives the last of them."""
        buffer = self._content._buffer  # noqa: SLF001  there is no other way to it
        left = b"".join(buffer)
        buffer.clear()
        return left

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, when: float) -> None:
        self.stop()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._until is None:
            return
        if self._loop.time() < self._until:
            self._set_timer(self._until)
        else:
            self._content.set_exception(TimeoutError())


async def read_text(response: aiohttp.ClientResponse, max_bytes: int) -> str:
    """Return an answer's text, or as much of it as that; the connection is closed where there is more."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > max_bytes:
            response.close()
            break
    return content[:max_bytes].decode("utf-8", "replace")
