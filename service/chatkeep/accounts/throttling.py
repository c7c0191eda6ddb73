"""How often a password may be tried: counted in the database, so that every process counts as one.

Four counters, each over a window that does not slide:

- one account from one place: few tries;
- one place, whatever the account: more, since an office shares an address (against one password on many names);
- one network of such places: more still, since a provider hands out many addresses to one customer;
- one account from anywhere: more than from one place (against many places on one name).

New accounts and new guests have counters of a place and of a network, too: one who asks for one is a stranger, and a
new password costs as much work as a checked one.

A browser that has signed in to the account before carries a signed mark, and then only its own counter counts.
So does only one of its own for somebody who is signed in and gives the password again. So a stranger can fill the
other counters, and the owner still gets in.

A try is counted before the password is looked at, so that a thousand tries at once are a thousand counted. One that
is refused counts nowhere: more tries from one place fill the counter of that place and no wider one.

Source: OWASP Authentication Cheat Sheet; OWASP, Slow Down Online Guessing Attacks with Device Cookies.
"""

import asyncio
import hashlib
import ipaddress
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.attempt_queries import (
    COUNTED,
    count_attempt,
    forget_attempts,
    uncount_attempt,
    uncount_attempts,
)
from chatkeep.accounts.owed_tries import OwedTries, Window
from chatkeep.database.database import Database
from chatkeep.errors import TooManyAttempts, Unavailable

IPV6_HOUSEHOLD_BITS = 64
# The most that a customer is given, and that one can rent in one piece.
IPV6_NETWORK_BITS = 48
IPV4_NETWORK_BITS = 24
# So many times what one place may; fewer than all places of a network together.
NETWORK_FACTOR = 4

REFUSAL_SECONDS = 1
REGISTRATION_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` in a window of `window`."""

    attempts: int
    window: timedelta

    def of_network(self) -> "Limit":
        return Limit(NETWORK_FACTOR * self.attempts, self.window)

    def wait(self, ends_at: datetime, now: datetime) -> timedelta:
        """Return the time until the window ends. A concurrent request opened it, perhaps a moment after `now`."""
        return min(ends_at - now, self.window)


ACCOUNT_FROM_ONE_PLACE = Limit(10, timedelta(minutes=15))
ONE_PLACE = Limit(100, timedelta(minutes=15))
ACCOUNT_FROM_ANYWHERE = Limit(200, timedelta(hours=1))
LINKS_FROM_ONE_PLACE = Limit(30, timedelta(minutes=15))
GUESTS_FROM_ONE_PLACE = Limit(100, timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Counter:
    """A name or a place that is counted, as a digest: people type passwords into the name field.

    Args:
        resets: being right once makes good every try before; otherwise only the one that was right.
    """

    bucket: bytes
    limit: Limit
    resets: bool


def counters_for(account: str, address: str, known_device: str | None) -> list[Counter]:
    """Return the counters of one try to sign in.

    Args:
        account: the key of the name that was typed, whether or not there is such an account.
        address: where from.
        known_device: the mark of a browser that has signed in to this account before.
    """
    if known_device is not None:
        return [_counter(ACCOUNT_FROM_ONE_PLACE, "device", account, known_device)]
    place = place_of(address)
    return [
        _counter(ACCOUNT_FROM_ONE_PLACE, "account at place", account, place),
        _counter(ONE_PLACE, "place", place, resets=False),
        _counter(ONE_PLACE.of_network(), "network", network_of(address), resets=False),
        _counter(ACCOUNT_FROM_ANYWHERE, "account", account, resets=False),
    ]


def counters_for_signed_in(user_id: UUID) -> list[Counter]:
    """Return the counters of one try by somebody who is signed in and gives the password again."""
    return [_counter(ACCOUNT_FROM_ONE_PLACE, "signed in", str(user_id))]


def counters_for_guest(address: str) -> list[Counter]:
    """Return the counters of a new guest: a program that keeps no cookie makes one with each request."""
    return _counters_of_place(GUESTS_FROM_ONE_PLACE, "guests", address)


def counters_for_link(address: str) -> list[Counter]:
    """Return the counters of one use of a link that sets a password: each costs a look-up, and a right one a hash."""
    return _counters_of_place(LINKS_FROM_ONE_PLACE, "links", address)


def counters_for_registration(address: str, per_hour: int) -> list[Counter]:
    """Return the counters of a try to register, whether or not it makes an account: each costs a hash."""
    return _counters_of_place(Limit(per_hour, REGISTRATION_WINDOW), "registrations", address)


def _counters_of_place(limit: Limit, what: str, address: str) -> list[Counter]:
    return [
        _counter(limit, f"{what} at place", place_of(address)),
        _counter(limit.of_network(), f"{what} in network", network_of(address)),
    ]


@asynccontextmanager
async def limit_attempts(
    database: Database,
    owed: OwedTries,
    counters: Sequence[Counter],
    now: datetime,
    *,
    refusal: str = "Too many tries.",
    gate: AbstractAsyncContextManager[object] | None = None,
) -> AsyncIterator[None]:
    """Count one try, which is made in the block; one that could not be made (`Unavailable`) is not counted after all.

    Args:
        owed: remembers it where the database takes no change, and is paid back first.
        gate: is passed to count, and left before the block.

    Raises:
        TooManyAttempts: a limit is reached; the block is not entered.
    """
    async with gate or nullcontext():
        # Before any row is locked: a flood that is refused makes nobody queue, and writes nothing.
        await _require_room(database, owed, counters, now, refusal)
        with owed.paid_back([counter.bucket for counter in counters]) as refunds:
            async with database.transaction() as connection:
                windows = await _count(connection, counters, refunds, now, refusal)
    try:
        yield
    except Unavailable:
        try:
            async with database.transaction() as connection:
                for window in windows:
                    await uncount_attempts(connection, window, 1)
        except Unavailable:
            owed.add(windows, now)
        raise


@asynccontextmanager
async def delay_refusals() -> AsyncIterator[None]:
    """Answer a refusal of the block after a second: a program that tries again at once would take the processor from
    others with nothing but refusals. Somebody who waits for minutes anyway loses nothing by it.
    """
    try:
        yield
    except (TooManyAttempts, Unavailable):
        await asyncio.sleep(REFUSAL_SECONDS)
        raise


async def _count(
    connection: AsyncConnection, counters: Sequence[Counter], refunds: Mapping[Window, int], now: datetime, refusal: str
) -> list[Window]:
    waits, windows = [], []
    for counter in _in_order(counters):
        for window, tries in refunds.items():
            if window[0] == counter.bucket:
                await uncount_attempts(connection, window, tries)
        attempts, ends_at = await count_attempt(connection, counter.bucket, now, now + counter.limit.window)
        windows.append((counter.bucket, ends_at))
        if attempts > counter.limit.attempts:
            waits.append(counter.limit.wait(ends_at, now))
    _refuse(waits, refusal)
    return windows


async def _require_room(
    database: Database, owed: OwedTries, counters: Sequence[Counter], now: datetime, refusal: str
) -> None:
    limits = {counter.bucket: counter.limit for counter in counters}
    waits = []
    for each in await database.rows(COUNTED, buckets=list(limits), now=now):
        window = each.bucket, each.window_ends_at
        if each.attempts - owed.of(window) >= limits[each.bucket].attempts:
            waits.append(limits[each.bucket].wait(each.window_ends_at, now))
    _refuse(waits, refusal)


def _refuse(waits: Sequence[timedelta], refusal: str) -> None:
    if waits:
        seconds = max(1, math.ceil(max(waits).total_seconds()))
        raise TooManyAttempts(f"{refusal} Wait {_in_words(seconds)} and try again.", seconds)


async def forgive_attempt(connection: AsyncConnection, counters: Sequence[Counter]) -> None:
    """Take back a try that was right."""
    for counter in _in_order(counters):
        if counter.resets:
            await forget_attempts(connection, counter.bucket)
        else:
            await uncount_attempt(connection, counter.bucket)


def _in_order(counters: Sequence[Counter]) -> list[Counter]:
    """Always one order: of tries at the same time, none waits for a row of another that waits for it."""
    return sorted(counters, key=lambda counter: counter.bucket)


def place_of(address: str) -> str:
    """Return the address, or for IPv6 its network: one household has as many addresses as it likes."""
    return _network(address, IPV6_HOUSEHOLD_BITS, ipv4_bits=None)


def network_of(address: str) -> str:
    """Return the network of places that one customer of a provider may have."""
    return _network(address, IPV6_NETWORK_BITS, IPV4_NETWORK_BITS)


def _network(address: str, ipv6_bits: int, ipv4_bits: int | None) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    bits = ipv6_bits if isinstance(parsed, ipaddress.IPv6Address) else ipv4_bits
    return address if bits is None else str(ipaddress.ip_network((parsed, bits), strict=False))


def _counter(limit: Limit, *parts: str, resets: bool = True) -> Counter:
    return Counter(hashlib.sha256("\x00".join(parts).encode()).digest(), limit, resets)


def _in_words(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
