"""What Alembic runs: against the given database, the configured one, or the embedded one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.util.exc import CommandError
from asyncpg import PostgresError
from sqlalchemy import Connection
from sqlalchemy.pool import NullPool

from chatkeep.config import Settings
from chatkeep.database.address import database_address
from chatkeep.database.connector import Connector
from chatkeep.database.libpq.reasons import words_of
from chatkeep.database.migrations import reflecting, take_migration_lock
from chatkeep.database.session import MIGRATING
from chatkeep.database.tables import metadata
from chatkeep.errors import ChatkeepError


@contextmanager
def database_url() -> Iterator[str]:
    """Yield the address to migrate; start the embedded server where none is configured."""
    if given := context.config.attributes.get("url"):
        yield given
        return
    try:
        with database_address(Settings.read()) as url:
            yield url
    except (ChatkeepError, PostgresError, OSError) as error:
        # Alembic prints this one as a sentence, and any other with a traceback.
        raise CommandError(error.detail if isinstance(error, ChatkeepError) else words_of(error)) from error


def migrate(connection: Connection) -> None:
    with connection.begin():
        take_migration_lock(connection)
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction(), reflecting():
            context.run_migrations()


async def connect_and_migrate(url: str) -> None:
    engine = (await Connector.to(url)).engine(MIGRATING, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


def write_sql() -> None:
    """`alembic upgrade head --sql`: print the statements instead of running them."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
else:
    with database_url() as url:
        asyncio.run(connect_and_migrate(url))
