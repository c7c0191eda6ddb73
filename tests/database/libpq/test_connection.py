"""Connections to several hosts, and what the operating system and the server are told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from sqlalchemy import func, select

from chatkeep.database.database import Database
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.database.libpq.hosts import Host, LastHost
from chatkeep.database.libpq.reasons import NoHostAnswers, words_of
from chatkeep.database.statement import Statement
from chatkeep.errors import DatabaseUnavailable
from tests.support.databases import run
from tests.support.tls import Server

READ_ONLY = "options=-c%20default_transaction_read_only%3Don"


@asynccontextmanager
async def counting_port() -> AsyncIterator[tuple[int, list[None]]]:
    """A port that takes connections and says nothing, and an entry for each connection so far."""
    tries: list[None] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(None)
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1], tries


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    async with counting_port() as (port, _):
        yield port


async def opened_in_time(url: str) -> Database:
    """On a busy machine the second host's share may be too little; it is the same at the next try."""
    async with asyncio.timeout(60):
        while True:
            with suppress(DatabaseUnavailable):
                return await Database.connect(url, pool_size=8)


async def port_of(url: str) -> int:
    return await port_by(DatabaseAddress.parse(url, {}), None)


async def port_by(address: DatabaseAddress, last_host: LastHost | None) -> int:
    connection = await open_connection(address, timeout_seconds=60, last_host=last_host)
    try:
        return int(await connection.fetchval("SELECT current_setting('port')"))
    finally:
        await connection.close()


def two(first: int, second: int, query: str = "") -> str:
    return f"postgresql://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?{query}"


async def test_the_first_host_that_takes_a_connection_is_used(plain_server: Server, tls_server: Server) -> None:
    assert await port_of(two(plain_server.port, tls_server.port)) == plain_server.port
    assert await port_of(two(1, tls_server.port)) == tls_server.port
    assert await port_of(two(plain_server.port, tls_server.port, "sslmode=require")) == tls_server.port
    both = f"postgresql://postgres@/postgres?host=127.0.0.1,localhost&port=1,{tls_server.port}"
    assert await port_of(both) == tls_server.port


async def test_a_host_that_is_silent_leaves_the_next_its_share_of_the_time(plain_server: Server) -> None:
    async with silent_port() as silent:
        assert await port_of(two(silent, plain_server.port, "connect_timeout=1")) == plain_server.port
        database = await opened_in_time(two(silent, plain_server.port))
        await database.close()


async def test_a_host_that_is_down_is_tried_once_and_not_for_every_connection(plain_server: Server) -> None:
    """In both pools, which are filled with connections while the first host is silent."""
    async with counting_port() as (silent, tries):
        url = two(silent, plain_server.port, "connect_timeout=1")
        database = await opened_in_time(url)
        seen, sleeping = len(tries), Statement(select(func.pg_sleep(0.2)), timeout_seconds=60)
        try:
            async with AsyncExitStack() as stack:
                for _ in range(4):
                    await stack.enter_async_context(database.transaction())
                answers = await asyncio.gather(*(database.rows(sleeping) for _ in range(4)))
            assert len(answers) == 4
            assert len(tries) == seen
        finally:
            await database.close()


async def test_when_the_last_host_is_gone_the_others_are_tried(plain_server: Server, tls_server: Server) -> None:
    last_host = LastHost()
    for port, other in ((plain_server.port, 1), (tls_server.port, plain_server.port + 1)):
        address = DatabaseAddress.parse(two(other, port), {})
        assert await port_by(address, last_host) == port
    address = DatabaseAddress.parse(two(plain_server.port, tls_server.port), {})
    assert await port_by(address, last_host) == tls_server.port
    assert await port_by(DatabaseAddress.parse(two(1, plain_server.port), {}), last_host) == plain_server.port
    assert await port_by(address, last_host) == plain_server.port


async def test_the_last_host_is_left_when_it_is_not_of_the_kind_that_is_wanted(
    plain_server: Server, tls_server: Server
) -> None:
    """As after a failover, when the old primary is a standby."""
    last_host = LastHost()
    last_host.remember(Host("127.0.0.1", plain_server.port), "127.0.0.1")
    url = two(tls_server.port, plain_server.port, "target_session_attrs=read-write")
    assert await port_by(DatabaseAddress.parse(url, {}), last_host) == plain_server.port
    await run(plain_server.url(), "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        async with asyncio.timeout(60):
            while await port_by(DatabaseAddress.parse(url, {}), last_host) == plain_server.port:
                await asyncio.sleep(0.05)
    finally:
        await run(plain_server.url(), "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    assert await port_by(DatabaseAddress.parse(url, {}), last_host) == tls_server.port


async def test_a_host_that_is_silent_is_given_up_in_time() -> None:
    async with silent_port() as silent:
        address = DatabaseAddress.parse(f"postgresql://me@127.0.0.1:{silent}/x?connect_timeout=1", {})
        with pytest.raises(TimeoutError):
            await open_connection(address, timeout_seconds=60)
        with pytest.raises(TimeoutError):
            await open_connection(DatabaseAddress.parse(two(silent, silent), {}), timeout_seconds=1)


async def test_of_several_hosts_each_says_why_it_was_not_used() -> None:
    address = DatabaseAddress.parse("postgresql://me:Zq7Jx@127.0.0.1:1,nowhere.invalid:2,%2Fnowhere/x", {})
    with pytest.raises(NoHostAnswers) as refused:
        await open_connection(address, timeout_seconds=60)
    assert words_of(refused.value) == (
        "127.0.0.1:1: nothing listens there; nowhere.invalid:2: there is no host of that name; "
        "/nowhere: a socket or file that it names is not there"
    )


@pytest.mark.parametrize(
    ("attributes", "writable_first", "read_only"),
    [
        ("any", True, True),
        ("read-write", True, False),
        ("read-only", False, True),
        ("primary", True, True),
        ("standby", False, False),
        ("prefer-standby", True, True),
    ],
)
async def test_a_server_of_the_kind_that_is_wanted_is_used(
    plain_server: Server, attributes: str, writable_first: bool, read_only: bool
) -> None:
    url = plain_server.url(target_session_attrs=attributes)
    for text, suits in ((url, writable_first), (f"{url}&{READ_ONLY}", read_only)):
        if suits:
            assert await port_of(text) == plain_server.port
        else:
            with pytest.raises(ConnectionError, match=f"not what target_session_attrs={attributes} asks for"):
                await port_of(text)


async def test_hosts_are_taken_at_random_where_the_load_is_to_be_balanced(
    plain_server: Server, tls_server: Server
) -> None:
    url = two(plain_server.port, tls_server.port, "load_balance_hosts=random")
    assert {await port_of(url) for _ in range(40)} == {plain_server.port, tls_server.port}


async def test_keepalives_and_what_the_server_is_told(plain_server: Server) -> None:
    query = "keepalives_idle=7&keepalives_interval=8&keepalives_count=9&tcp_user_timeout=11000"
    url = f"{plain_server.url()}{query}&application_name=ours&options=-c%20geqo%3Doff"
    connection = await open_connection(DatabaseAddress.parse(url, {}), server_settings={"jit": "off"})
    try:
        for name, value in (("application_name", "ours"), ("geqo", "off"), ("jit", "off")):
            assert await connection.fetchval("SELECT current_setting($1)", name) == value
        connected = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [connected.getsockopt(socket.IPPROTO_TCP, each) for each in options] == [7, 8, 9, 11000]
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    finally:
        await connection.close()


async def test_keepalives_may_be_off(plain_server: Server) -> None:
    connection = await open_connection(DatabaseAddress.parse(plain_server.url(keepalives=0), {}))
    try:
        connected = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    finally:
        await connection.close()


async def test_a_refused_connection_is_closed(plain_server: Server) -> None:
    url = plain_server.url(target_session_attrs="standby", application_name="refused")
    for _ in range(5):
        with pytest.raises(ConnectionError):
            await port_of(url)
    watching = await open_connection(DatabaseAddress.parse(plain_server.url(), {}))
    try:
        async with asyncio.timeout(30):
            while await watching.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'refused'"):
                await asyncio.sleep(0.05)
    finally:
        await watching.close()
