"""The database of a command: found by the settings, opened for as long as it is needed."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.cli.audit_recorder import audit_secrets, note, operators_audit
from chatkeep.cli.run_async import run_async
from chatkeep.cli.terminal.output import print_info
from chatkeep.config import Settings
from chatkeep.database.address import database_address
from chatkeep.database.database import Database
from chatkeep.database.driver_errors import sqlstate_of
from chatkeep.database.migrations import require_head
from chatkeep.database.sqlstates import INSUFFICIENT_PRIVILEGE, READ_ONLY
from chatkeep.errors import MissingPrivilege, ReadOnlyDatabase, StartUpError

Answer = TypeVar("Answer")

POOL_SIZE = 2

# Refusals of a role or a server, and what the operator does about each.
NOT_THE_TABLES = "The tables are not the ones that this version needs. `chatkeep db check` shows the differences."
REFUSALS = {
    "42P01": NOT_THE_TABLES,
    "42703": NOT_THE_TABLES,
    INSUFFICIENT_PRIVILEGE: "The database's role may not do this. Use the address of the role that owns the tables.",
    READ_ONLY: "This database is read-only: it is a standby, or was made read-only. Use the address of the primary.",
}


class CommandDatabase:
    """A database that answers at `url`, for as long as a command needs it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings

    def run(self, work: Callable[[Database], Awaitable[Answer]], *, at_head: bool = True) -> Answer:
        """Connect, do the work and disconnect. Not to be called inside an event loop.

        Args:
            at_head: refuse a database of another version.

        Raises:
            DatabaseUnavailable: nothing answers, or it does not let this role in; says which.
            MigrationError: the database is of another version.
        """
        return run_async(self._run(work, at_head=at_head))

    def run_on_record(
        self, work: Callable[[Database, Recorder], Awaitable[Answer]], *, reason: str | None = None
    ) -> Answer:
        """Do work that the audit trail tells of, as `run` does.

        Raises:
            ConfigurationError: the key that seals the trail is not set, or another one.
        """
        secrets = audit_secrets(self.settings)

        async def work_on_record(database: Database) -> Answer:
            return await work(database, await operators_audit(database, secrets, reason))

        return self.run(work_on_record)

    def note(self, action: Action, reason: str | None) -> None:
        """Put on record what leaves no row by itself, where a reason is given. Raises: as `run_on_record`."""
        if reason is not None:
            self.run_on_record(lambda connected, audit: note(connected, audit, action), reason=reason)

    async def _run(self, work: Callable[[Database], Awaitable[Answer]], *, at_head: bool) -> Answer:
        database = await Database.connect(self.url, pool_size=POOL_SIZE)
        try:
            if at_head:
                await require_head(database)
            return await work(database)
        except DBAPIError as error:
            raise _refusal(error) from error
        except ReadOnlyDatabase as error:
            raise StartUpError(REFUSALS[READ_ONLY]) from error
        except MissingPrivilege as error:
            raise StartUpError(REFUSALS[INSUFFICIENT_PRIVILEGE]) from error
        finally:
            await database.close()


@contextmanager
def command_database(settings: Settings) -> Iterator[CommandDatabase]:
    """Yield the configured database, or the embedded one, which is started or shared."""
    with database_address(settings, say=print_info) as url:
        yield CommandDatabase(url, settings)


def command_settings(database_url: str | None = None, data_dir: Path | None = None, **options: object) -> Settings:
    """Read the settings as a command sees them.

    Raises:
        ConfigurationError: a setting or the file `.env` cannot be used.
    """
    return Settings.read(database_url=database_url, data_dir=data_dir, **options)


def _refusal(error: DBAPIError) -> Exception:
    advice = REFUSALS.get(sqlstate_of(error) or "")
    return StartUpError(advice) if advice else error
