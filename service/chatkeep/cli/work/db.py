"""Takes a database from one revision to another, and says where it stands."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer, print_error, print_info
from chatkeep.database import migrations
from chatkeep.database.database import Database
from chatkeep.database.libpq.address import shown_url
from chatkeep.database.migrations import Standing, reflecting
from chatkeep.database.tables import metadata
from chatkeep.errors import ConfigurationError, MigrationError


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
    """Differences of one column come as a list of their own."""
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


def upgrade_database(database: CommandDatabase, revision: str) -> None:
    """Go forward, and report it.

    Raises:
        MigrationError: no such revision, or what stands in the way.
    """
    before = _standing(database)
    with _explained():
        migrations.upgrade(database.url, revision)
    _report(before, _standing(database))


def downgrade_database(database: CommandDatabase, revision: str, *, ask: bool) -> None:
    """Go back, after asking whether to.

    Raises:
        MigrationError: as `upgrade_database`.
        ConfigurationError: there is nobody to ask.
        typer.Abort: the answer is no.
    """
    before = _standing(database)
    if ask:
        _require_yes(database, before, revision)
    with _explained():
        migrations.downgrade(database.url, revision)
    _report(before, _standing(database))


def print_revision(database: CommandDatabase) -> None:
    answer(_described(_standing(database)))


def check_database(database: CommandDatabase) -> bool:
    """Report whether the tables are those that this version needs, and return it."""
    found = _standing(database)
    if not found.at_head:
        print_error(f"The database is at {_described(found)}. Run `chatkeep db upgrade`.")
        return False
    if differ := database.run(differences):
        print_error(
            f"The database is at {found.head}, but its tables differ from that revision: {'; '.join(differ)}. "
            "Somebody changed them by hand: undo that, or restore a backup."
        )
        return False
    answer(f"{_described(found)}: the tables are the ones that this version needs.")
    return True


def _standing(database: CommandDatabase) -> Standing:
    return database.run(migrations.standing, at_head=False)


@contextmanager
def _explained() -> Iterator[None]:
    """Add to a refusal of Alembic's what could have been asked for, and to one of PostgreSQL's its own words."""
    try:
        yield
    except MigrationError as error:
        cause = error.__cause__
        if isinstance(cause, CommandError):
            raise MigrationError(f"{error}. The revisions are: base, {', '.join(_revisions())}.") from error
        if isinstance(cause, DBAPIError) and cause.orig:
            said = str(cause.orig.__cause__ or cause.orig).partition("\n")[0]
            raise MigrationError(f"{error} PostgreSQL says: {said}.") from error
        raise


def _revisions() -> list[str]:
    """Return every revision there is, oldest first."""
    scripts = ScriptDirectory(str(migrations.migrations_folder()))
    return [each.revision for each in scripts.walk_revisions()][::-1]


def _report(before: Standing, after: Standing) -> None:
    if before == after:
        answer(f"Nothing to do: the database is at {_described(after)}.")
    else:
        answer(f"The database went from {before.revision or '(empty)'} to {_described(after)}.")


def _described(standing: Standing) -> str:
    if standing.at_head:
        return f"{standing.head} (head)"
    return f"{standing.revision or '(empty)'}, behind head {standing.head}"


def _require_yes(database: CommandDatabase, before: Standing, revision: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask on. Add --yes to lose what newer revisions added.")
    print_info(
        f"This takes {shown_url(database.url)} from {before.revision or '(empty)'} to {revision}. Everything "
        "that newer revisions added is lost."
    )
    typer.confirm("Go on?", abort=True, err=True)
