"""Cookies as they come, and `Set-Cookie` from anywhere in a request, whatever kind of response the handler returns."""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "chatkeep.set_cookie"
# A client may send as many cookies of one name as it likes; each costs a signature and perhaps a look-up.
MAX_VALUES = 4


def cookie_values(connection: HTTPConnection, name: str) -> list[str]:
    """Return every value of a cookie, as they were sent: a browser may hold several, of other paths and domains.

    Source: RFC 6265, 5.4: the one with the longest path first.
    """
    lines = connection.headers.getlist("cookie")
    pairs = (part.partition("=") for line in lines for part in line.split(";"))
    return [value.strip() for found, _, value in pairs if found.strip() == name and value.strip()][:MAX_VALUES]


def set_cookie(connection: HTTPConnection, header: str) -> None:
    """Send this `Set-Cookie` header with the answer; of two of one name, the last."""
    cookies_of(connection.scope)[header.partition("=")[0]] = header


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of `set_cookie` in this request, those to come included.

    One dictionary for the whole request: inner scopes are copies.
    """
    cookies: dict[str, str] = scope.setdefault(_KEY, {})
    return cookies


class SendCookies:
    """Adds the headers of `set_cookie` to the answer, beside those that it has, where nothing else around it does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cookies = cookies_of(scope)

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start" and cookies:
                headers = MutableHeaders(scope=message)
                for cookie in cookies.values():
                    headers.append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookies)
