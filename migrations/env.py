"""What Alembic runs: against the given database, the configured one, or the embedded one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.pool import NullPool

from service.config import Settings
from service.database.connector import Connector
from service.database.embedded import EmbeddedPostgres, default_data_dir
from service.database.migrations import take_migration_lock
from service.database.session import MIGRATING
from service.database.tables import metadata


@contextmanager
def database_url() -> Iterator[str]:
    """Yield the address to migrate; start the embedded server where none is configured."""
    if given := context.config.attributes.get("url"):
        yield given
        return
    settings = Settings.read()
    if settings.database_url:
        yield settings.database_url.get_secret_value()
        return
    with EmbeddedPostgres(settings.data_dir or default_data_dir(), binaries=settings.postgres_bin) as server:
        yield server.url


def migrate(connection: Connection) -> None:
    with connection.begin():
        take_migration_lock(connection)
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
        with context.begin_transaction():
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
