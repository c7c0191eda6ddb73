"""The parts of accounts: what signing in and being recognised need, put together once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from chatkeep.accounts.browser_cookies import BrowserCookie
from chatkeep.accounts.device_cookie import DeviceCookie
from chatkeep.accounts.owed_tries import OwedTries
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.audit.trail import AuditTrail
from chatkeep.clock import Clock
from chatkeep.config import (
    ACCESS_TOKEN_MAX_SECONDS,
    GUEST_TTL_SECONDS,
    MAX_ACCESS_TOKENS,
    MAX_REGISTRATIONS_PER_HOUR,
)
from chatkeep.database.database import Database
from chatkeep.http.addresses import Network
from chatkeep.sessions import SessionLimits

# A quarter of the connections that a process has unless it is set up otherwise.
MAX_STRANGERS_AT_DATABASE = 4


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
    device_cookie: DeviceCookie
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
    owed_tries: OwedTries = field(default_factory=OwedTries)
    # Strangers queue for one counter's row, and would hold every connection of the pool in the meantime.
    strangers_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_STRANGERS_AT_DATABASE))
