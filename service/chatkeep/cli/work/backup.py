"""Backups at the terminal: which programs, which database, a progress bar, and the report at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from sqlalchemy import text

from chatkeep.audit.actions import Action
from chatkeep.cli.audit_recorder import note
from chatkeep.cli.database import CommandDatabase, command_database, command_settings
from chatkeep.cli.local import secret_file
from chatkeep.cli.run_async import run_async
from chatkeep.cli.terminal.output import answer, errors, print_info
from chatkeep.database.backups import programs
from chatkeep.database.backups.dump import dump
from chatkeep.database.backups.restore import restore
from chatkeep.database.database import Database
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.pooler import Pooling
from chatkeep.database.tables import metadata
from chatkeep.errors import BackupError, ChatkeepError


def make_backup(
    file: Path, database_url: str | None, data_dir: Path | None, *, force: bool, reason: str | None
) -> None:
    """Write a backup and report it.

    Raises:
        BackupError: says what stands in the way.
    """
    settings = command_settings(database_url, data_dir)
    with command_database(settings) as database:
        found = _programs(database, refused=(Pooling.TRANSACTION,))
        database.note(Action.BACKED_UP, reason)
        with _bar("Backing up") as progress:
            size = dump(found, database.url, file.absolute(), replace=force, progress=progress)
    answer(f"{file}: {decimal(size)}")
    kept = None if settings.secret_key else secret_file(settings)
    secret = "CHATKEEP_SECRET_KEY" if kept is None else kept
    print_info(f"The signing secret ({secret}) is not in it. Without that secret everybody has to sign in again.")


def restore_backup(
    file: Path, database_url: str | None, data_dir: Path | None, *, replace: bool, reason: str | None
) -> None:
    """Restore a backup and report it.

    Raises:
        BackupError, MigrationError: say what stands in the way.
    """
    file = file.absolute()
    if not file.is_file():
        raise BackupError(f"There is no file {file}.")
    settings = command_settings(database_url, data_dir)
    with command_database(settings) as database:
        found = _programs(database, refused=(Pooling.TRANSACTION, Pooling.SESSION))
        with _bar("Restoring") as progress:
            lost = run_async(restore(found, database.url, file, replace=replace, progress=progress))
        _put_on_record(database, reason)
    answer(f"{file.name} is restored.")
    if lost:
        print_info(f"This role may not set these settings of the old database for the restored one: {', '.join(lost)}.")
    print_info(
        "Passwords are those of the backup. Cookies and the audit trail's seals need the signing secret of that time."
    )


def _programs(database: CommandDatabase, *, refused: tuple[Pooling, ...]) -> programs.BackupPrograms:
    major, encrypted, pooling = database.run(_looked_at, at_head=False)
    if pooling in refused:
        # It would lend pg_dump's settings to others and theirs to it, and keep a database in use that is replaced.
        raise BackupError(f"There is {pooling.value} in front of the database. Use the server's own address for this.")
    # Behind a pooler the server knows only of the pooler's connection.
    encrypted = encrypted or DatabaseAddress.parse(database.url).tls_is_certain
    return programs.find_backup_programs(major, database.settings.postgres_bin, encrypted=encrypted)


def _put_on_record(database: CommandDatabase, reason: str | None) -> None:
    """Let the restored trail tell that it was restored; where that cannot be written, say that it does not."""
    try:
        database.run_on_record(lambda connected, audit: note(connected, audit, Action.RESTORED), reason=reason)
    except ChatkeepError as error:  # restored it is all the same
        print_info(f"The restore could not be recorded. {error.detail}")


async def _looked_at(database: Database) -> tuple[int, bool, Pooling]:
    query = "SELECT current_setting('server_version_num'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
    async with database.transaction() as connection:
        version, encrypted = (await connection.execute(text(query))).one()
    return int(version) // 10_000, bool(encrypted), database.pooling


@contextmanager
def _bar(title: str) -> Iterator[programs.Progress]:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=len(metadata.tables) + 1)
        yield lambda table: bar.update(task, advance=1, description=table)
