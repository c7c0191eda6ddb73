"""Restores a backup into a database of its own, which then takes the place of the one that is there.

Steps, and the state that a process leaves that dies after each:

    1. a new database is made          the old one, in use or not; the next restore removes the new one
    2. pg_restore fills it             the same
    3. it gets the old one's settings  the same
       and is brought to this version
    4. the two change names            the restored one; the next restore removes the old one
    5. the old one is removed          the restored one
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from alembic.script import ScriptDirectory

from chatkeep.database import migrations
from chatkeep.database.backups.database_settings import give_settings, settings_of
from chatkeep.database.backups.dump import TABLES, require_backup
from chatkeep.database.backups.programs import BackupPrograms, Progress
from chatkeep.database.libpq.address import DatabaseAddress, with_database
from chatkeep.database.libpq.connection import Connection, open_connection
from chatkeep.database.session import found_on
from chatkeep.errors import BackupError, MigrationError

OPTIONS = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
# The one database that every server has, and that nobody renames.
NEUTRAL = "postgres"
LOCK = 0x72657374  # "rest"
# Schemas that hold this service's tables, quoted where they have to be.
_OWN_SCHEMAS = """
SELECT quote_ident(nspname) AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relname = ANY($1) AND relkind IN ('r', 'p') GROUP BY nspname HAVING count(*) = cardinality($1)
"""
MAX_NAME_CHARACTERS = 40
CONNECT_SECONDS = 10
STOP_IT = "Something is connected to the database. Stop the service, and whatever else uses it, and try again."


async def restore(
    programs: BackupPrograms, url: str, file: Path, *, replace: bool, progress: Progress | None = None
) -> list[str]:
    """Replace the database at `url` with the backup.

    Args:
        replace: also where that has users or conversations, which are then gone.

    Returns:
        The settings of the old database that this role could not give to the new one.

    Raises:
        BackupError: says what stands in the way; the database is as it was.
        MigrationError: the backup is of a newer version of the service; the same.
    """
    require_backup(programs, file)
    name = DatabaseAddress.parse(url).database
    await _require_free(url, replace=replace)
    async with _neutral(url) as connection:
        await _remove_leftovers(connection, name)
        new = f"{name[:MAX_NAME_CHARACTERS]}_restore_{secrets.token_hex(4)}"
        await _create(connection, new)
        try:
            new_url = with_database(url, new)
            await asyncio.to_thread(programs.run, "pg_restore", *OPTIONS, file, url=new_url, progress=progress)
            # Not before it is filled: one of them may be that transactions are read-only.
            lost = await give_settings(connection, new, await settings_of(connection, name))
            await _bring_to_this_version(new_url)
            old = await _swap(connection, name, new)
        except BaseException:
            await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(new)} WITH (FORCE)")
            raise
        await connection.execute(f"DROP DATABASE {_quoted(old)} WITH (FORCE)")
    return lost


async def _require_free(url: str, *, replace: bool) -> None:
    connection = await _connected(url)
    try:
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        if others:
            raise BackupError(STOP_IT)
        if not replace and await _holds_something(connection):
            raise BackupError(
                "The database holds users or conversations, which would be gone. Back it up and say --replace, or "
                "restore into another data folder or database."
            )
    finally:
        await connection.close()


async def _holds_something(connection: Connection) -> bool:
    """Look in every schema: the whole database would be gone, and not only the tables that this role finds."""
    for row in await connection.fetch(_OWN_SCHEMAS, list(TABLES)):
        for table in ("conversations", "users"):
            if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {row['name']}.{table})"):
                return True
    return False


@asynccontextmanager
async def _neutral(url: str) -> AsyncIterator[Connection]:
    """Connect beside the database, as the only one that restores it."""
    try:
        connection = await _connected(with_database(url, NEUTRAL))
    except (asyncpg.PostgresError, OSError) as error:
        raise BackupError(
            f"The database `{NEUTRAL}` of the server is needed to restore, and refuses: {error}"
        ) from error
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            raise BackupError("Another process is restoring a backup there. Wait for it.")
        yield connection
    finally:
        await connection.close()


async def _create(connection: Connection, name: str) -> None:
    try:
        await connection.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE template0 ENCODING 'UTF8'")
    except asyncpg.InsufficientPrivilegeError as error:
        raise BackupError(
            "The database's role may not make databases, which restoring does: `ALTER ROLE … CREATEDB` lets it."
        ) from error


async def _bring_to_this_version(url: str) -> None:
    connection = await _connected(url)
    try:
        schema = (await found_on(connection)).search_path
        revision = await connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")
    except asyncpg.UndefinedTableError:
        names = ", ".join(row["name"] for row in await connection.fetch(_OWN_SCHEMAS, list(TABLES)))
        raise BackupError(
            f"The backup has its tables in the schema {names}, where this role does not look for them. Let it with "
            f"`ALTER DATABASE … SET search_path = {names}`, and try again. Nothing was changed."
        ) from None
    finally:
        await connection.close()
    known = ScriptDirectory(str(migrations.migrations_folder())).walk_revisions()
    if revision not in {each.revision for each in known}:
        raise MigrationError(
            f"The backup is at revision {revision}, which this version of Chatkeep does not know. Install the version "
            "that made it, or a newer one. Nothing was changed."
        )
    await asyncio.to_thread(migrations.upgrade, url)


async def _swap(connection: Connection, name: str, new: str) -> str:
    """Give the database's name to the new one, in one transaction; return what the old one is called now."""
    old = f"{name[:MAX_NAME_CHARACTERS]}_replaced_{secrets.token_hex(4)}"
    try:
        async with connection.transaction():
            await connection.execute(f"ALTER DATABASE {_quoted(name)} RENAME TO {_quoted(old)}")
            await connection.execute(f"ALTER DATABASE {_quoted(new)} RENAME TO {_quoted(name)}")
    except asyncpg.ObjectInUseError as error:
        raise BackupError(STOP_IT) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise BackupError("The database belongs to another role. Use the address of the role that owns it.") from error
    return old


async def _remove_leftovers(connection: Connection, name: str) -> None:
    """Remove what restores that died have left; under the lock there is none that lives."""
    left = re.compile(re.escape(name[:MAX_NAME_CHARACTERS]) + r"_(restore|replaced)_[0-9a-f]{8}")
    for row in await connection.fetch("SELECT datname FROM pg_database"):
        if left.fullmatch(row["datname"]):
            await connection.execute(f"DROP DATABASE {_quoted(row['datname'])} WITH (FORCE)")


async def _connected(url: str) -> Connection:
    # No time of the database's or the role's own ends a question.
    told = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    return await open_connection(DatabaseAddress.parse(url), timeout_seconds=CONNECT_SECONDS, server_settings=told)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
