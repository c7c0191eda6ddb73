"""Databases for tests: cloned from a migrated template, on the embedded server or on a given one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.ids import new_id
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
    await run(server_url, f"CREATE DATABASE {name}{cloned}")
    return with_database(server_url, name)


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
