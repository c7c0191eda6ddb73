"""The database to use: the configured one, or the embedded server for as long as it is needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from chatkeep.config import Settings
from chatkeep.database.libpq.address import DatabaseAddress, complete_url
from chatkeep.database.postgres.data_folder import DataFolder
from chatkeep.database.postgres.embedded import EmbeddedPostgres, default_data_dir
from chatkeep.database.postgres.watch import Watch
from chatkeep.errors import ConfigurationError

NO_HOME = (
    "This user has no home folder to keep data in. Set CHATKEEP_DATA_DIR to a folder, or use a database server "
    "(CHATKEEP_DATABASE_URL) and a signing key of your own (CHATKEEP_SECRET_KEY)."
)


def data_dir(settings: Settings) -> Path:
    """Return the folder of the embedded server and of what `--local` keeps; it need not be there.

    Raises:
        ConfigurationError: none is set, and this user has no home folder.
    """
    try:
        return (settings.data_dir or default_data_dir()).expanduser()
    except RuntimeError:
        raise ConfigurationError(NO_HOME) from None


@contextmanager
def database_address(
    settings: Settings, *, say: Callable[[str], None] | None = None, watched: bool = False
) -> Iterator[str]:
    """Yield the URL of the database; start the embedded server where none is configured, and stop it again.

    Args:
        say: told what takes its time.
        watched: bring an embedded server back that is killed in the meantime; the log tells of it.

    Raises:
        ConfigurationError: the configured address cannot be read; says why, without quoting it.
        EmbeddedServerError: the embedded server cannot be found or started.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        DatabaseAddress.parse(url)
        yield url
        return
    with EmbeddedPostgres(data_dir(settings), binaries=settings.postgres_bin, log=say) as server:
        # `PG…` variables are about a server of one's own, and nothing about this one.
        url = complete_url(server.url)
        with Watch(server) if watched else nullcontext():
            yield url


def embedded_server(settings: Settings, url: str) -> DataFolder | None:
    """Return the data folder whose embedded server the database's address leads to; None for any other server."""
    try:
        place = DataFolder(data_dir(settings).resolve())
    except (ConfigurationError, OSError):
        return None
    return place if place.is_address(url) else None
