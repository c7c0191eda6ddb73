"""The service's cookies in a browser, beside those of the same names that are not its own.

Cookies know hosts, and neither ports nor, for sure, paths: another Chatkeep, or any application with a cookie called
`sid`, may share them. What was not signed here is never read, replaced or deleted.

Another host of the same domain can plant a cookie for the whole domain, with a longer path than ours, and a browser
sends both: one that was signed here for somebody else would sign its reader in as them. So a cookie that is `Secure`
has a name that such a host cannot plant, `__Host-sid`. That name demands the path `/`: a service under a path of its
host has `__Secure-sid`, which at least nobody plants over plain http. The rule for those that a browser sends:

1. Where there is one of the prefixed name that was signed here, no other name counts, not even if its session is over.
2. Otherwise those of the name without prefix count, which an earlier version gave, and only where all whose sessions
   are not over are one user's. The session then gets a new id under the prefixed name, and the old one ends. Nothing
   is signed for the old name any more: what can be planted under it is a session from before, once.
3. Of several of one name the first counts whose session is not over: the prefixed name is sent once.

Source: RFC 6265bis, 4.1.3, Cookie Name Prefixes; 8.6, Weak Integrity.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from chatkeep.http.cookies import cookie_values, set_cookie
from chatkeep.http.root_path import cookie_path
from chatkeep.sessions import SignedCookie

HOST_PREFIX = "__Host-"
SECURE_PREFIX = "__Secure-"


class BrowserCookie:
    """One of the service's cookies, under the name that it has at the path where browsers find the service.

    Args:
        keys: signing keys, newest last.
        name: the name without a prefix; one that is there already is replaced by the right one.
        salt: names the purpose.
        secure: for https only, and with a prefix; without, the name is as given.
    """

    def __init__(self, keys: Sequence[str], *, name: str, salt: str, secure: bool) -> None:
        self._by_prefix: dict[str, SignedCookie] = {}
        self._plain = SignedCookie(keys, name=name if secure else without_prefix(name), salt=salt, secure=secure)
        if secure:
            for prefix in (HOST_PREFIX, SECURE_PREFIX):
                # Signed for this name: what anybody has under one name is worth nothing under another.
                self._by_prefix[prefix] = SignedCookie(
                    keys, name=prefix + without_prefix(name), salt=f"{salt}:{prefix}", secure=True
                )

    def at(self, path: str) -> SignedCookie:
        """Return the cookie that is given where browsers find the service at this path."""
        return self._by_prefix.get(_prefix_at(path), self._plain)

    @property
    def earlier(self) -> SignedCookie | None:
        """The cookie that an earlier version gave; None where it is given still."""
        return self._plain if self._by_prefix else None


@dataclass(frozen=True, slots=True)
class Held:
    """The contents of a browser's cookies, each once, most likely first; a session that one opens may be over.

    Args:
        is_earlier: they have the name of an earlier version; to be believed once.
    """

    contents: tuple[str, ...]
    is_earlier: bool = False


def cookie_name(name: str, *, secure: bool, path: str) -> str:
    """Return under which name browsers have the cookie that is configured as `name`."""
    return (_prefix_at(path) if secure else "") + without_prefix(name)


def without_prefix(name: str) -> str:
    return name.removeprefix(HOST_PREFIX).removeprefix(SECURE_PREFIX)


def held_by(connection: HTTPConnection, cookie: BrowserCookie) -> Held:
    """Return those of a browser's cookies that count."""
    given = _own_contents(connection, cookie.at(cookie_path(connection)))
    if given or cookie.earlier is None:
        return Held(given)
    return Held(_own_contents(connection, cookie.earlier), is_earlier=True)


def all_contents(connection: HTTPConnection, cookie: BrowserCookie) -> list[str]:
    """Return the values of all of them, also of those that do not count: signing out ends each."""
    return list(
        dict.fromkeys(each for signed in _kinds(connection, cookie) for each in _own_contents(connection, signed))
    )


def give(connection: HTTPConnection, cookie: BrowserCookie, content: str, *, max_age_seconds: int | None) -> None:
    """Give the browser the cookie, under a name where it replaces nobody else's."""
    path = cookie_path(connection)
    given = cookie.at(path)
    name = _free_name(connection, cookie)
    set_cookie(connection, given.write(content, max_age_seconds=max_age_seconds, path=path, name=name))
    _forget_others(connection, cookie, kept=name)


def forget(connection: HTTPConnection, cookie: BrowserCookie) -> None:
    """Have the browser forget the cookie, where it sent one that was signed here."""
    _forget_others(connection, cookie, kept=None)


def _forget_others(connection: HTTPConnection, cookie: BrowserCookie, *, kept: str | None) -> None:
    for signed in _kinds(connection, cookie):
        for name in _names(signed):
            if name != kept and _own(connection, signed, name):
                set_cookie(connection, signed.clear(path=cookie_path(connection), name=name))


def _free_name(connection: HTTPConnection, cookie: BrowserCookie) -> str:
    given = cookie.at(cookie_path(connection))
    values = cookie_values(connection, given.name)
    is_free = all(any(signed.read(value) for signed in _kinds(connection, cookie)) for value in values)
    return given.name if is_free else given.spare_names[-1]


def _kinds(connection: HTTPConnection, cookie: BrowserCookie) -> list[SignedCookie]:
    given = cookie.at(cookie_path(connection))
    return [given] if cookie.earlier is None else [given, cookie.earlier]


def _names(signed: SignedCookie) -> Iterable[str]:
    # The spare name first: under the own one may also be what an earlier session left at another path.
    return dict.fromkeys((*reversed(signed.spare_names), signed.name))


def _own_contents(connection: HTTPConnection, signed: SignedCookie) -> tuple[str, ...]:
    values = (value for name in _names(signed) for value in _own(connection, signed, name))
    contents = (signed.read(value) for value in values)
    return tuple(dict.fromkeys(content for content in contents if content is not None))


def _own(connection: HTTPConnection, signed: SignedCookie, name: str) -> list[str]:
    return [value for value in cookie_values(connection, name) if signed.read(value)]


def _prefix_at(path: str) -> str:
    return HOST_PREFIX if path == "/" else SECURE_PREFIX
