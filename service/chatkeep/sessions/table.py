"""The table of `DatabaseStore` where nothing else of this service is: made without its other tables."""

from sqlalchemy import text
from sqlalchemy.schema import CreateIndex, CreateTable

from chatkeep.database.database import Database
from chatkeep.database.tables import login_sessions
from chatkeep.errors import ConfigurationError, MissingPrivilege

# "sessions" as a number: of processes that start together, one makes the table.
_ADVISORY_LOCK = 0x7365737369
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")


async def table_exists(database: Database) -> bool:
    async with database.transaction() as connection:
        return bool(await connection.scalar(_EXISTS, {"name": login_sessions.name}))


async def require_table(database: Database) -> None:
    """Refuse a database without the table.

    Raises:
        ConfigurationError: says how to make it.
    """
    if not await table_exists(database):
        raise ConfigurationError(
            f"The database has no table {login_sessions.name}. `await store.create_table()` makes it when the "
            "application starts; in the service's own database, `chatkeep db upgrade` does."
        )


async def create_table(database: Database) -> None:
    """Make the table and its indexes, all or nothing; change nothing where the table is.

    Without the key to `users`, which is the service's: rows of this library have no user.

    Raises:
        ConfigurationError: the database's user may not make tables.
        DatabaseUnavailable: nothing answers.
    """
    if await table_exists(database):
        return
    try:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            await connection.execute(
                CreateTable(login_sessions, include_foreign_key_constraints=[], if_not_exists=True)
            )
            for index in login_sessions.indexes:
                await connection.execute(CreateIndex(index, if_not_exists=True))
    except MissingPrivilege:
        raise ConfigurationError(
            f"The database's user may not make the table {login_sessions.name}. Let its owner run create_table() once, "
            "or grant CREATE on the schema."
        ) from None
