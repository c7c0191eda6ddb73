"""Whether the database keeps what it acknowledges."""

from sqlalchemy import text

from chatkeep.database.database import Database
from chatkeep.database.session import DURABLE_COMMITS
from chatkeep.errors import UnsafeDatabase

# Each of them off has the server say "kept" for what a crash takes away.
# A superuser may set it for a role: then no foreign key is checked, and no trigger runs.
CHECKED = {"session_replication_role": ("origin", "local")}
DURABLE = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": DURABLE_COMMITS}
MIN_MAJOR_VERSION = 14


async def unsafe_settings(database: Database) -> list[str]:
    """Return the objections to the database, each in one sentence; an empty list is good."""
    query = text(
        "SELECT name, setting FROM pg_settings WHERE name IN"
        " ('fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'server_version_num',"
        " 'session_replication_role')"
    )
    async with database.transaction() as connection:
        rows = (await connection.execute(query)).all()
    found: dict[str, str] = {row.name: row.setting for row in rows}
    problems = [
        f"{name} is {found[name]}: a crash may lose what was acknowledged."
        for name, allowed in DURABLE.items()
        if found[name] not in allowed
    ]
    problems += [
        f"{name} is {found[name]}: what belongs together is not checked."
        for name, allowed in CHECKED.items()
        if found[name] not in allowed
    ]
    problems += [
        f"{name} is {value} although {wanted} was set: a pooler before the database drops settings."
        for name, (wanted, value) in sorted((await database.settings_not_in_force()).items())
    ]
    if found["server_encoding"] != "UTF8":
        problems.append(f"The encoding is {found['server_encoding']}, not UTF8: some text cannot be kept.")
    if int(found["server_version_num"]) < MIN_MAJOR_VERSION * 10_000:
        problems.append(f"The server is older than PostgreSQL {MIN_MAJOR_VERSION}.")
    return problems


async def require_safe(database: Database) -> None:
    """Refuse a database that may forget.

    Raises:
        UnsafeDatabase: says why, and how to insist.
    """
    if problems := await unsafe_settings(database):
        raise UnsafeDatabase(" ".join(problems) + " Change it, or accept it with CHATKEEP_ALLOW_UNSAFE_DATABASE=true.")
