"""Databases for tests: cloned from a migrated template, on the embedded server or on a given one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.ids import new_id
from tests.support.memory import MEMORY
from tests.support.urls import driver_url, parsed_url

# A PostgreSQL of your own to test against, whose user may create databases; unset: the embedded one.
SERVER_URL = "CHATKEEP_TEST_SERVER_URL"


@contextmanager
def server_address(folder: Path) -> Iterator[str]:
    """Yield the URL of a database on the server to test against."""
    if given := os.environ.get(SERVER_URL):
        yield given
        return
    with EmbeddedPostgres(folder) as server:
        yield server.url


def with_database(url: str, name: str) -> str:
    return parsed_url(url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


async def run(url: str, *statements: str) -> None:
    """Run statements that cannot be in a transaction."""
    connection = await asyncpg.connect(driver_url(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def create_database(server_url: str, template: str | None = None) -> str:
    """Make a database and return its URL."""
    name = f"chatkeep_test_{new_id().hex}"
    cloned = f" TEMPLATE {template}" if template else " TEMPLATE template0 ENCODING 'UTF8'"
    connection = await asyncpg.connect(driver_url(server_url))
    try:
        await connection.execute(f"CREATE DATABASE {name}{cloned}{await _strategy(connection)}")
    finally:
        await connection.close()
    return with_database(server_url, name)


async def _strategy(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    """Return how to clone: file by file, which takes half of the work, but waits for all that a disk has to keep."""
    place = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    return " STRATEGY file_copy" if Path(place or "/").is_relative_to(MEMORY) else ""


async def drop_database(server_url: str, url: str) -> None:
    """Drop a database, whoever of us is still connected to it.

    Not `WITH (FORCE)`, which gives up before the server's own vacuum: that one is the superuser's, and a plain drop
    ends it.
    """
    name = name_of(url)
    ours = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = current_user"
    await run(server_url, ours, f"DROP DATABASE IF EXISTS {name}")


def name_of(url: str) -> str:
    return parsed_url(url).database or ""
