"""The service's cookies in a browser, beside those of the same names that are not its own.

Cookies know hosts, and neither ports nor, for sure, paths: another Chatkeep, or any application with a cookie called
`sid`, may share them. What was not signed here is never read, replaced or deleted.
"""

from starlette.requests import HTTPConnection

from service.http.cookies import cookie_values, set_cookie
from service.http.root_path import cookie_path
from service.sessions import SignedCookie


def own_values(connection: HTTPConnection, cookie: SignedCookie) -> list[str]:
    """Return the values that were signed here, most likely first; what they open may be over all the same."""
    # The spare name first: under the own one may also be what an earlier session left at another path.
    names = dict.fromkeys((*reversed(cookie.spare_names), cookie.name))
    return [value for name in names for value in _own(connection, cookie, name)]


def own_contents(connection: HTTPConnection, cookie: SignedCookie) -> list[str]:
    """Return what those values say, each once."""
    contents = (cookie.read(value) for value in own_values(connection, cookie))
    return list(dict.fromkeys(content for content in contents if content is not None))


def give(connection: HTTPConnection, cookie: SignedCookie, content: str, *, max_age_seconds: int | None) -> None:
    """Give the browser the cookie, under a name where it replaces nobody else's."""
    name = _free_name(connection, cookie)
    path = cookie_path(connection)
    set_cookie(connection, cookie.write(content, max_age_seconds=max_age_seconds, path=path, name=name))
    _forget_others(connection, cookie, kept=name)


def forget(connection: HTTPConnection, cookie: SignedCookie) -> None:
    """Have the browser forget the cookie, where it sent one that was signed here."""
    _forget_others(connection, cookie, kept=None)


def _forget_others(connection: HTTPConnection, cookie: SignedCookie, *, kept: str | None) -> None:
    for name in (cookie.name, *cookie.spare_names):
        if name != kept and _own(connection, cookie, name):
            set_cookie(connection, cookie.clear(path=cookie_path(connection), name=name))


def _free_name(connection: HTTPConnection, cookie: SignedCookie) -> str:
    values = cookie_values(connection, cookie.name)
    return cookie.name if all(cookie.read(value) for value in values) else cookie.spare_names[-1]


def _own(connection: HTTPConnection, cookie: SignedCookie, name: str) -> list[str]:
    return [value for value in cookie_values(connection, name) if cookie.read(value)]
