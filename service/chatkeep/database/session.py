"""Settings of a connection before it is used, whatever the server, the database, the role and a pooler say.

Told in statements after connecting, not as startup parameters: PgBouncer as installed refuses the unknown ones, and
when told to ignore them drops them without a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatkeep.database.pool import Connection
from chatkeep.errors import ReadOnlyDatabase

STATEMENT_TIMEOUT_SECONDS = 30
IDLE_TRANSACTION_TIMEOUT_SECONDS = 30

# Where a server may say otherwise, each in the server's own spelling, so that it can be compared.
COMMON = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "row_security": "on",
    # Any error would end the connection.
    "exit_on_error": "off",
    # The statements are written for it, and repeat themselves where they need more.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # A search in an index would leave out what it finds beyond so many.
    "gin_fuzzy_search_limit": "0",
    "lock_timeout": "10s",
    "idle_session_timeout": "0",
    # Compiling a query costs more than any of ours takes. Not by `jit`, which asyncpg sets and sets back itself.
    "jit_above_cost": "-1",
}
TIMEOUTS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_TRANSACTION_TIMEOUT_SECONDS}s",
}
COLD = COMMON | TIMEOUTS | {"plan_cache_mode": "auto", "enable_seqscan": "on"}
HOT = (
    COMMON
    | TIMEOUTS
    | {
        # Each hot statement has one good plan, by an index; making it again costs as much as running it.
        "plan_cache_mode": "force_generic_plan",
        # It may have been made while the tables were nearly empty, and reading them whole looked cheapest.
        "enable_seqscan": "off",
    }
)
# A migration takes as long as its tables are large.
MIGRATING = COMMON | {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}

DURABLE_COMMITS = ("on", "remote_apply", "remote_write")

# On a standby it is always on, whatever anybody asked for.
TAKES_NO_CHANGES = "SELECT current_setting('transaction_read_only') = 'on'"

_FOUND = r"""
SELECT pg_backend_pid() AS pid,
    quote_ident(coalesce(
        (SELECT path.name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
         WHERE EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                       WHERE relname = 'alembic_version' AND nspname = path.name) ORDER BY place LIMIT 1),
        (SELECT 'public' FROM pg_class WHERE relnamespace = to_regnamespace('public')
         AND relname IN ('alembic_version', 'conversations', 'turns') HAVING count(*) = 3),
        (SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
         WHERE name NOT LIKE 'pg\_%' AND has_schema_privilege(name, 'CREATE') ORDER BY place LIMIT 1),
        'public')) AS search_path,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('default_transaction_read_only') = 'on'
        AND (SELECT source IN ('database', 'user', 'database user') FROM pg_settings
             WHERE name = 'default_transaction_read_only') AS read_only_by_default,
    current_setting('transaction_timeout', true) IS NOT NULL AS has_transaction_timeout
"""

# A default of the database or role says nothing of the server. One of the server itself does: providers set it where
# the disk is full, and writing on would end worse.
_WRITE_BY_DEFAULT = (
    # Looked for in the list of all settings only where it is on.
    "SELECT set_config(name, 'off', false) FROM pg_settings WHERE current_setting('default_transaction_read_only')"
    " = 'on' AND name = 'default_transaction_read_only' AND source IN ('database', 'user', 'database user')"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A database's settings for somebody who has asked for nothing yet.

    Args:
        pid: the server process, as it knows itself.
        search_path: the schema where the tables are, or will be made, quoted where it has to be.
        read_only_by_default: transactions are, by an order of the database or role.
        has_transaction_timeout: from PostgreSQL 17 on.
    """

    pid: int
    search_path: str
    synchronous_commit: str
    read_only_by_default: bool
    has_transaction_timeout: bool


async def found_on(connection: Connection) -> Found:
    """Ask a connection that has been told nothing yet, and that keeps nothing of it."""
    return Found(**await first_row(connection, _FOUND))


async def first_row(connection: Connection, query: str) -> Any:
    """Return the first row of a query, in a transaction that no setting of the role can end."""
    await connection.execute(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout TO 0;"
        " SET LOCAL idle_in_transaction_session_timeout TO 0"
    )
    row = await connection.fetchrow(query)
    await connection.execute("COMMIT")
    return row


def settings_for(found: Found, wanted: Mapping[str, str], *, durable: bool) -> dict[str, str]:
    """Return the settings of each connection to such a database.

    Args:
        wanted: `COLD`, `HOT` or `MIGRATING`.
        durable: a commit is on disk before it is acknowledged, also where the database's default is otherwise.
    """
    own = {"search_path": found.search_path}
    if found.has_transaction_timeout:
        own["transaction_timeout"] = "0"
    if durable and found.synchronous_commit in DURABLE_COMMITS:
        own["synchronous_commit"] = found.synchronous_commit
    elif durable:
        own["synchronous_commit"] = "on"
    return {**wanted, **own}


def settings_sql(settings: Mapping[str, str], *, for_the_transaction: bool = False) -> str:
    """Return the statements that put settings into force, for as long as the connection or the transaction lasts."""
    how = "SET LOCAL" if for_the_transaction else "SET"
    # The time that a statement may take comes first: until then the role's holds, however short.
    names = sorted(settings, key=lambda name: name != "statement_timeout")
    return "; ".join(f"{how} {name} TO {_value(name, settings[name])}" for name in names)


async def tell(connection: Connection, settings: Mapping[str, str], *, must_write: bool) -> None:
    """Tell a new connection all of `settings`.

    Raises:
        ReadOnlyDatabase: with `must_write`, where the server takes no changes.
    """
    # Of this isolation, because a standby refuses its first statement where the role's is `serializable`.
    await connection.execute(
        f"BEGIN ISOLATION LEVEL READ COMMITTED; {settings_sql(settings)}; {_WRITE_BY_DEFAULT}; COMMIT"
    )
    if must_write:
        await require_writable(connection)


async def require_writable(connection: Connection) -> None:
    """Refuse a connection to a server that takes no changes: what it reads may be old, too.

    Raises:
        ReadOnlyDatabase: the server takes no changes.
    """
    if await connection.fetchval(TAKES_NO_CHANGES):
        raise ReadOnlyDatabase


async def not_in_force(connection: Connection, settings: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return those of `settings` that do not hold on a connection: the value that it was told, and the one it has."""
    rows = await connection.fetch(
        "SELECT name, current_setting(name, true) AS value FROM unnest($1::text[]) AS name", list(settings)
    )
    told = {row["name"]: (settings[row["name"]], row["value"]) for row in rows}
    return {name: (wanted, found) for name, (wanted, found) in told.items() if wanted != found}


async def not_given(connection: Connection, names: Sequence[str]) -> list[str]:
    """Return those of `names` that no client has set on a connection: they were given at its start, and did not arrive.

    By where each value comes from: the server may spell the value itself in another way.
    """
    rows = await connection.fetch(
        "SELECT wanted FROM unnest($1::text[]) AS wanted WHERE NOT EXISTS (SELECT FROM pg_settings"
        " WHERE lower(name) = lower(wanted) AND source IN ('client', 'session'))",
        list(names),
    )
    return [row["wanted"] for row in rows]


def _value(name: str, value: str) -> str:
    return value if name == "search_path" else "'" + value.replace("'", "''") + "'"
