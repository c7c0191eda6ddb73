"""What accounts are made of: the parts that signing in and being recognised need."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.accounts.browser_cookies import BrowserCookie
from service.accounts.passwords import PasswordHasher
from service.accounts.trusted_headers import TrustedHeaderAuth
from service.audit.trail import AuditTrail
from service.clock import Clock
from service.config import (
    ACCESS_TOKEN_MAX_SECONDS,
    GUEST_TTL_SECONDS,
    MAX_ACCESS_TOKENS,
    MAX_REGISTRATIONS_PER_HOUR,
)
from service.database.database import Database
from service.http.addresses import Network
from service.sessions import SessionLimits, new_secret

DEVICE_COOKIE_SECONDS = 365 * 24 * 60 * 60
# A quarter of the connections that a process has unless it is set up otherwise.
MAX_STRANGERS_AT_DATABASE = 4
DEVICE_SALT = "chatkeep.device.v1"


class DeviceMark:
    """A signed cookie on browsers that have signed in to an account before; it opens nothing.

    It lets the owner in while strangers' guesses have filled the account's counters. Like the session's cookie it
    ends with the browser, unless the user asked to be remembered there.

    Args:
        keys: signing keys, newest last.
    """

    def __init__(self, keys: Sequence[str], *, name: str, secure: bool) -> None:
        self.cookie = BrowserCookie(keys, name=name, salt=DEVICE_SALT, secure=secure)

    def read(self, content: str | None, account: str) -> str | None:
        """Return the device's own random name where the cookie says that it is a mark for this account."""
        account_digest, _, device = (content or "").partition("_")
        return device if account_digest == _digest_of(account) else None

    def content(self, account: str, device: str | None) -> str:
        """Return what the cookie says, for a device that has a name already or for a new one."""
        return f"{_digest_of(account)}_{device or new_secret()}"


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """How many access tokens an account may have, and how long each lasts at most."""

    number: int = MAX_ACCESS_TOKENS
    max_seconds: int = ACCESS_TOKEN_MAX_SECONDS


@dataclass(frozen=True, slots=True)
class Accounts:
    """The parts, put together once when the service starts."""

    database: Database
    hasher: PasswordHasher
    cookie: BrowserCookie
    device_mark: DeviceMark
    limits: SessionLimits
    clock: Clock
    trail: AuditTrail
    trusted_proxies: Sequence[Network]
    allow_registration: bool
    max_registrations_per_hour: int = MAX_REGISTRATIONS_PER_HOUR
    token_limits: TokenLimits = TokenLimits()
    allow_guests: bool = False
    guest_ttl_seconds: int = GUEST_TTL_SECONDS
    front_server: TrustedHeaderAuth | None = None
    # Strangers queue for one counter's row, and would hold every connection of the pool in the meantime.
    strangers_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_STRANGERS_AT_DATABASE))


def _digest_of(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:32]
