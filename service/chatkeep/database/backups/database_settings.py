"""The settings that a database has of its own, and its roles in it: given to the one that takes its place.

A backup does not hold them, and `search_path` among them decides where the tables are found.
"""

from dataclasses import dataclass

import asyncpg

from chatkeep.database.libpq.connection import Connection

# Lists of names, which one literal in quotes would make one name.
LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")

_SETTINGS = """
SELECT rolname AS role, split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value
FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
LEFT JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS setting
WHERE datname = $1 ORDER BY role NULLS FIRST, name
"""
_PLACE = (
    "CASE WHEN $2::text IS NULL THEN format('DATABASE %I', $1::text)"
    " ELSE format('ROLE %2$I IN DATABASE %1$I', $1, $2) END"
)
_NAME = "(SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array($3::text, '.')) AS part)"


@dataclass(frozen=True, slots=True)
class DatabaseSetting:
    """Args:
    role: whose it is in this database; None: everybody's.
    """

    role: str | None
    name: str
    value: str

    def __str__(self) -> str:
        return self.name if self.role is None else f"{self.name} of the role {self.role}"


async def settings_of(connection: Connection, database: str) -> list[DatabaseSetting]:
    return [DatabaseSetting(**row) for row in await connection.fetch(_SETTINGS, database)]


async def give_settings(connection: Connection, database: str, settings: list[DatabaseSetting]) -> list[str]:
    """Set them for `database`, and return those that this role may not set."""
    refused = []
    for setting in settings:
        try:
            async with connection.transaction():
                await _give(connection, database, setting)
        except asyncpg.PostgresError:
            refused.append(str(setting))
    return refused


async def _give(connection: Connection, database: str, setting: DatabaseSetting) -> None:
    place = (database, setting.role, setting.name)
    if setting.name in LISTS:
        await connection.execute("SELECT set_config($1, $2, true)", setting.name, setting.value)
        statement = await connection.fetchval(
            f"SELECT format('ALTER %s SET %s FROM CURRENT', {_PLACE}, {_NAME})", *place
        )
    else:
        query = f"SELECT format('ALTER %s SET %s TO %L', {_PLACE}, {_NAME}, $4::text)"
        statement = await connection.fetchval(query, *place, setting.value)
    await connection.execute(statement)
