"""Cookies that are signed, so that garbage is told from what was made here without asking the database."""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Sequence
from typing import Literal, TypeAlias

from itsdangerous import BadSignature, Signer
from starlette.datastructures import Secret

from chatkeep.errors import ConfigurationError
from chatkeep.signing_keys import MAKE_ONE, is_example

SESSION_SALT = "chatkeep.session.v1"
MAX_VALUE_CHARACTERS = 256
# The characters of a value; a signature with padding after it would be read all the same.
VALUE = re.compile(r"[A-Za-z0-9_.-]+")
# RFC 6265, 4.1.1: a token.
COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

SameSite = Literal["lax", "strict", "none"]

Key: TypeAlias = str | bytes | Secret

SHORT_KEY = 32
HINT = f"Make one with {MAKE_ONE} and keep it out of the source."

log = logging.getLogger(__name__)

SECRET_BYTES = 32


class SignedCookie:
    """Reads and writes one cookie.

    Args:
        keys: signing keys, newest last. The newest signs; all verify, so that a key can be retired slowly.
        name: the cookie's name.
        salt: names the purpose: what the same key signed for another purpose is not accepted.
        secure: send it over https only.
        same_site: `lax` by default: other sites' forms and frames do not carry it. None leaves it to the browser.
        http_only: no script of a page can read it.

    Raises:
        ConfigurationError: there is no key, or an empty one; the name is not one; `none` without `secure`, which
            browsers refuse.

    Source: RFC 6265bis; OWASP Session Management Cheat Sheet.
    """

    def __init__(
        self,
        keys: Sequence[str],
        *,
        name: str,
        salt: str,
        secure: bool = True,
        same_site: SameSite | None = "lax",
        http_only: bool = True,
    ) -> None:
        if not keys or not all(keys):
            raise ConfigurationError("A signed cookie takes at least one signing key, and none may be empty.")
        if not COOKIE_NAME.fullmatch(name):
            raise ConfigurationError("A cookie's name is made of letters, digits and a few signs; no spaces, ; or =.")
        if same_site == "none" and not secure:
            raise ConfigurationError("Browsers refuse a cookie with SameSite=None that is not Secure.")
        self.name = name
        # Where another application of the same host has a cookie of that name, to which neither port nor path is a
        # bound for sure: a browser that keeps one of the two would sign its user out of the other without a word.
        self.spare_names = tuple(f"{name}_{_fingerprint(key, salt)}" for key in keys)
        self._signer = _signer(keys, salt)
        self._attributes = "; HttpOnly" if http_only else ""
        if same_site:
            self._attributes += f"; SameSite={same_site.capitalize()}"
        if secure:
            self._attributes += "; Secure"

    def read(self, value: str | None) -> str | None:
        """Return the content of a cookie's value, or None for anything that was not signed here."""
        if not value or len(value) > MAX_VALUE_CHARACTERS or not VALUE.fullmatch(value):
            return None
        try:
            return self._signer.unsign(value).decode()
        except BadSignature:
            return None

    def write(
        self, content: str, *, max_age_seconds: int | None = None, path: str = "/", name: str | None = None
    ) -> str:
        """Return the `Set-Cookie` header; without `max_age_seconds` it ends with the browser.

        Args:
            name: one of `spare_names`; None is the cookie's own.
            path: where the application is on its host, never a part of it: with a path, `/a/b/c` and `/` would have
                two sessions.
        """
        lifetime = "" if max_age_seconds is None else f"; Max-Age={max_age_seconds}"
        return f"{name or self.name}={self._sign(content)}{lifetime}; Path={path}{self._attributes}"

    def is_signed_by_newest(self, value: str, content: str) -> bool:
        """Whether `value`, which says `content`, bears the newest key's signature."""
        return value == self._sign(content)

    def _sign(self, content: str) -> str:
        return self._signer.sign(content).decode()

    def clear(self, *, path: str = "/", name: str | None = None) -> str:
        """Return the `Set-Cookie` header that makes the browser forget what was written with that path and name."""
        return f"{name or self.name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path={path}{self._attributes}"


def _signer(keys: Sequence[str], salt: str) -> Signer:
    """Return a signer with keys that are derived from these once, and not anew for each cookie."""
    deriving = Signer([key.encode() for key in keys], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
    derived = [deriving.derive_key(key) for key in deriving.secret_keys]
    return Signer(derived, salt=salt, key_derivation="none", digest_method=hashlib.sha256)


def _fingerprint(key: str, salt: str) -> str:
    """Return a fingerprint that tells services with other keys apart, and nothing about the key."""
    return hmac.new(key.encode(), f"{salt}:name".encode(), hashlib.sha256).hexdigest()[:8]


class SessionCookie(SignedCookie):
    """The cookie that holds a session's secret. Arguments and errors: as `SignedCookie`."""

    def __init__(
        self, keys: Sequence[str], *, name: str = "sid", secure: bool = True, same_site: SameSite = "lax"
    ) -> None:
        super().__init__(keys, name=name, salt=SESSION_SALT, secure=secure, same_site=same_site)


def signing_keys(secret_key: Key | Sequence[Key]) -> tuple[str, ...]:
    """Return the keys, newest last.

    Raises:
        ConfigurationError: there is none, or one is empty or an example that anybody can look up.
    """
    given = [secret_key] if isinstance(secret_key, str | bytes | Secret) else list(secret_key)
    keys = tuple(key.decode("latin-1") if isinstance(key, bytes) else str(key) for key in given)
    if not keys:
        raise ConfigurationError(f"secret_key is an empty list. {HINT}")
    for key in keys:
        _refuse_known(key)
    if any(len(key) < SHORT_KEY for key in keys):
        log.warning("secret_key is shorter than %d characters. %s", SHORT_KEY, HINT)
    return keys


def _refuse_known(key: str) -> None:
    """Anybody who knows the key can have any value taken for a session's id, and the store asked for it."""
    if not key.strip():
        raise ConfigurationError(f"secret_key is empty. {HINT}")
    if is_example(key):
        raise ConfigurationError(f"secret_key is an example. {HINT}")


def new_secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """Return the 32 bytes under which `secret` is kept.

    A plain hash is enough: nobody can try 2**256 secrets, and who steals the table learns none of them.
    """
    return hashlib.sha256(secret.encode()).digest()
