"""Opens one connection as libpq would: the same for the hot pool, SQLAlchemy, Alembic and backups.

asyncpg is told everything and left to look for nothing: of its own it reads the environment and the home folder, has
no keepalive times, and looks for a writable server among the hosts of an address but not among the numbers of a name.
"""

import asyncio
import ipaddress
import random
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from chatkeep.database.libpq.address import DatabaseAddress, Keepalive
from chatkeep.database.libpq.hosts import Host, LastHost
from chatkeep.database.libpq.reasons import NoHostAnswers, TlsRefused, UnsuitableServer

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

APPLICATION_NAME = "chatkeep"
Thing = TypeVar("Thing")
# A server that takes nobody yet, or no one now; others of the address may.
_NEXT_HOST = (OSError, asyncpg.CannotConnectNowError)
_WRONG_PASSWORD = "28P01"  # noqa: S105  an SQLSTATE


async def open_connection(
    address: DatabaseAddress,
    *,
    timeout_seconds: float | None = None,
    server_settings: Mapping[str, str] | None = None,
    last_host: LastHost | None = None,
    **options: Any,
) -> Connection:
    """Return a new connection to the first host that takes one and is of the kind that is wanted.

    Args:
        timeout_seconds: for all hosts together; each has its share, and no more than `connect_timeout`.
        server_settings: what the server is told at once; `application_name` and `options` of the address come first.
        last_host: which of several hosts to begin with, and where to note the one that answers.
        options: for `asyncpg.connect`, such as `command_timeout`.

    Raises:
        OSError: nothing answers, in time or over TLS as it is asked for, or a certificate of ours cannot be used;
            `reasons.words_of` says it for people.
        asyncpg.PostgresError: the server does not let this user in.
    """
    told = {"application_name": APPLICATION_NAME, **(server_settings or {}), **address.startup_settings}
    # No limit of asyncpg's beside the one around this.
    given = {**options, "server_settings": told, "timeout": None}
    failed: dict[str, Exception] = {}
    last_host = last_host or LastHost()
    async with asyncio.timeout(timeout_seconds):
        for attributes in _passes(address):
            budget = _Budget(timeout_seconds, address.connect_timeout_seconds)
            if connection := await _opened(address, attributes, budget, given, failed, last_host):
                return connection
    if len(failed) == 1:
        raise next(iter(failed.values()))
    raise NoHostAnswers(failed)


def _passes(address: DatabaseAddress) -> tuple[str, ...]:
    return ("standby", "any") if address.session_attributes == "prefer-standby" else (address.session_attributes,)


class _Budget:
    """Seconds for all hosts together: a first one that is silent leaves the others their share."""

    def __init__(self, seconds: float | None, most: float | None) -> None:
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + seconds if seconds else None
        self._most = most

    def share(self, tries_left: int) -> float | None:
        shares = [(self._ends - self._clock()) / tries_left] if self._ends else []
        return min([*shares, *([self._most] if self._most else [])], default=None)


async def _opened(
    address: DatabaseAddress,
    attributes: str,
    budget: _Budget,
    options: Mapping[str, Any],
    failed: dict[str, Exception],
    last_host: LastHost,
) -> Connection | None:
    """Try each number of each host; note in `failed` why a host was passed over."""
    hosts = _in_turn(address, last_host.hosts_first(address.hosts))
    for place, host in enumerate(hosts):
        others = len(hosts) - place - 1
        try:
            async with asyncio.timeout(budget.share(others + 1)):
                numbers = _in_turn(address, last_host.numbers_first(host, await _numbers(host)))
        except OSError as error:
            failed[host.shown] = error
            continue
        for index, number in enumerate(numbers):
            try:
                async with asyncio.timeout(budget.share(others + len(numbers) - index)):
                    connection = await _suitable(await _connected(address, host, number, options), attributes)
                    last_host.remember(host, number)
                    return connection
            except _NEXT_HOST as error:
                failed[host.shown] = error
    return None


def _in_turn(address: DatabaseAddress, things: Iterable[Thing]) -> list[Thing]:
    found = list(things)
    if address.at_random:
        random.shuffle(found)
    return found


async def _numbers(host: Host) -> list[str]:
    if host.socket:
        return [host.socket]
    name = host.number or host.name
    with suppress(ValueError):
        ipaddress.ip_address(name)
        return [name]
    found = await asyncio.get_running_loop().getaddrinfo(name, host.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def _connected(address: DatabaseAddress, host: Host, number: str, options: Mapping[str, Any]) -> Connection:
    """Connect over TLS, without, or first the one and then the other, as `sslmode` has it."""
    if host.socket or address.tls.mode == "disable":
        return await _attempt(address, host, number, options, encrypted=False)
    if address.tls.is_required:
        return await _attempt(address, host, number, options, encrypted=True)
    first = address.tls.mode == "prefer"
    try:
        return await _attempt(address, host, number, options, encrypted=first)
    except (OSError, asyncpg.PostgresError) as error:
        if not _may_work_otherwise(error):
            raise
        try:
            return await _attempt(address, host, number, options, encrypted=not first)
        except TlsRefused:
            raise error from None


def _may_work_otherwise(error: Exception) -> bool:
    """Tell whether TLS, or the lack of it, may be what stood in the way.

    A wrong password is wrong either way, and is not sent a second time without TLS.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or ""
        return state.startswith(("08", "28")) and state != _WRONG_PASSWORD
    return isinstance(error, (TlsRefused, ssl.SSLError, ConnectionResetError))


async def _attempt(
    address: DatabaseAddress, host: Host, number: str, options: Mapping[str, Any], *, encrypted: bool
) -> Connection:
    try:
        connection: Connection = await asyncpg.connect(
            host=[number],
            port=[host.port],
            user=address.user,
            # Empty, it does not look for one itself.
            password=address.password_for(host) or "",
            database=address.database,
            ssl=address.tls.context(host.name) if encrypted else False,
            direct_tls=encrypted and address.tls.direct,
            target_session_attrs=SessionAttribute.any,
            krbsrvname=address.kerberos_service or "postgres",
            gsslib="gssapi",
            **options,
        )
    except ConnectionError as error:
        # asyncpg's own, about the upgrade to TLS; the system's are of a narrower class.
        if encrypted and type(error) is ConnectionError:
            raise TlsRefused(address.tls.mode) from error
        raise
    if not host.socket:
        _keep_alive(connection, address.keepalive)
    return connection


async def _suitable(connection: Connection, attributes: str) -> Connection:
    """Return the connection, if its server is of the kind that is wanted; close it otherwise."""
    try:
        if attributes == "any" or await _is(connection, attributes):
            return connection
    except BaseException:
        connection.terminate()
        raise
    connection.terminate()
    raise UnsuitableServer(attributes)


async def _is(connection: Connection, attributes: str) -> bool:
    settings = connection.get_settings()
    # PostgreSQL reports both; a pooler in between may not.
    standby = getattr(settings, "in_hot_standby", None)
    read_only = getattr(settings, "default_transaction_read_only", None)
    if standby is None or read_only is None:
        recovering = await connection.fetchval("SELECT pg_catalog.pg_is_in_recovery()")
        standby = "on" if recovering else "off"
        read_only = await connection.fetchval("SELECT pg_catalog.current_setting('default_transaction_read_only')")
    writable = standby == "off" and read_only == "off"
    return {
        "read-write": writable,
        "read-only": not writable,
        "primary": standby == "off",
        "standby": standby == "on",
    }[attributes]


def _keep_alive(connection: Connection, wanted: Keepalive) -> None:
    # asyncpg has no other way to the socket of a connection.
    connected = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(wanted.on))
    for option, value in (
        ("TCP_KEEPIDLE", wanted.idle_seconds if wanted.on else None),
        ("TCP_KEEPINTVL", wanted.interval_seconds if wanted.on else None),
        ("TCP_KEEPCNT", wanted.count if wanted.on else None),
        ("TCP_USER_TIMEOUT", wanted.user_timeout_milliseconds),
    ):
        # Not every operating system has each of them.
        if value is not None and hasattr(socket, option):
            with suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
