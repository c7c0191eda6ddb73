"""The database of a command, opened without loading its libraries before a command runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatkeep.cli.database import CommandDatabase


@contextmanager
def open_database(database_url: str | None, data_dir: Path | None) -> Iterator["CommandDatabase"]:
    """Yield the database that the options and the settings name; the embedded one where they name none.

    Raises:
        ConfigurationError, EmbeddedServerError: say what to mend.
    """
    # Help and shell completion load every command's options, and are to answer at once.
    from chatkeep.cli.database import command_database, command_settings  # noqa: PLC0415

    with command_database(command_settings(database_url, data_dir)) as database:
        yield database
