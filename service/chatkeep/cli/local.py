"""The files of `--local` in the data folder, so that a service on one's own machine needs no setting up."""

import os
import secrets
from pathlib import Path

from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.errors import ConfigurationError

SECRET_FILE = "secret_key"  # noqa: S105  the name of a file


def kept_secret(folder: Path) -> str:
    """Return the signing secret in the data folder; make it where there is none.

    It is written whole under another name and then linked, so that of two processes that start together one makes
    it and both use it, and one that dies half-way leaves none.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    path = folder / SECRET_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_once(path)
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"The signing secret cannot be kept in {folder}: {error.strerror}. Choose another folder with --data-dir."
        ) from error


def forget_secret(settings: Settings) -> None:
    """Remove the secret of a start that was refused."""
    (data_dir(settings) / SECRET_FILE).unlink(missing_ok=True)


def secret_file(settings: Settings) -> Path | None:
    """Return the file of the secret that is kept, or None.

    Beside a database server of one's own it may be another user's, or this user may have no home: it is not needed
    there, and counts as none.

    Raises:
        ConfigurationError, OSError: the data folder cannot be looked into, and the database is in it.
    """
    try:
        file = data_dir(settings) / SECRET_FILE
        return file if file.is_file() and _is_readable(file, settings) else None
    except (ConfigurationError, OSError):
        if settings.database_url is None:
            raise
        return None


def _is_readable(file: Path, settings: Settings) -> bool:
    return settings.database_url is None or os.access(file, os.R_OK)


def _write_once(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    # Nobody else on the machine may read it: who has it signs cookies.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first, and its secret counts
    finally:
        draft.unlink()
