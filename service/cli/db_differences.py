"""How the tables of a database differ from those that the code takes them for, in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from service.database.database import Database
from service.database.migrations import reflecting
from service.database.tables import metadata


async def differences(database: Database) -> list[str]:
    """Return one phrase for each difference, such as `turns.reply is missing`; an empty list is good."""
    async with database.transaction() as connection:
        found = await connection.run_sync(_compared)
    return [_in_words(each) for each in _one_by_one(found)]


def _compared(connection: Connection) -> Sequence[Any]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    with reflecting():
        return compare_metadata(context, metadata)


def _one_by_one(found: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """What differs in one column comes as a list of its own."""
    for each in found:
        yield from each if isinstance(each, list) else [each]


def _in_words(difference: tuple[Any, ...]) -> str:
    match difference:
        case ("add_table", table):
            return f"table {table.name} is missing"
        case ("remove_table", table):
            return f"table {table.name} does not belong to the service"
        case ("add_column", _, table, column):
            return f"{table}.{column.name} is missing"
        case ("remove_column", _, table, column):
            return f"{table}.{column.name} does not belong to the service"
        case ("add_index" | "add_constraint" | "add_fk", thing):
            return f"{thing.name} is missing"
        case ("remove_index" | "remove_constraint" | "remove_fk", thing):
            return f"{thing.name} does not belong to the service"
        case ("modify_type", _, table, column, _, found, wanted):
            return f"{table}.{column} is {found}, not {wanted}"
        case ("modify_nullable", _, table, column, _, found, _):
            return f"{table}.{column} {'may' if found else 'may not'} be null"
        case (kind, _, str(table), str(column), *_):
            return f"{table}.{column} has another {kind.removeprefix('modify_')}"
    return str(difference[0]).replace("_", " ")
