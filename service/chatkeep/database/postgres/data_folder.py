"""The layout of the data folder of a service that brings its own server along.

    postgresql/             the cluster; only its own major version of PostgreSQL can open it
    postgresql.password     of the role `chatkeep`
    postgresql.outage       why the server is away, if it is, and when it is started again (outage.py)
    postgresql.log          what the server says of itself; `.log.1` is the one before
    postgresql.socket/      where it listens; if that path is too long, `.socket-path` says where instead
    postgresql.*.lock       see embedded.py; empty, and never removed
    postgresql-18.4/        a copy of the programs, only if the server's user cannot run the original
    postgresql.new-*/       unfinished; the next start of the server removes it

All belong to the server's user, the copy to root, and all but the copy are closed to everyone else.
"""

import contextlib
import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from chatkeep.database.postgres.outage import OutageFile
from chatkeep.database.postgres.privileges import (
    ServerUser,
    hand_over,
    is_private_folder,
    make_private_folder,
    open_private,
)
from chatkeep.errors import EmbeddedServerError

# Part of the socket's name only: the server listens on no network.
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
# The kernel takes 107 bytes on Linux and 103 on macOS.
MAX_SOCKET_PATH_BYTES = 103
SHORT_FOLDERS = Path("/tmp")  # noqa: S108  the folders in it are made by mkdtemp, and closed to others
SHORT_FOLDER_PREFIX = "chatkeep-"
LOG_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class DataFolder:
    """The service's data folder, as far as the server is concerned."""

    path: Path

    @property
    def cluster(self) -> Path:
        return self.path / "postgresql"

    @property
    def password_file(self) -> Path:
        return self.path / "postgresql.password"

    @property
    def log_file(self) -> Path:
        return self.path / "postgresql.log"

    @property
    def socket_folder(self) -> Path:
        return self.path / "postgresql.socket"

    @property
    def socket_path_file(self) -> Path:
        return self.path / "postgresql.socket-path"

    @property
    def outage_file(self) -> OutageFile:
        return OutageFile(self.path / "postgresql.outage")

    def is_address(self, url: str) -> bool:
        """Whether that address leads to the server of this folder."""
        host = parse_qs(urlsplit(url).query).get("host", [""])[0]
        return Path(host) in (self.socket_folder, _recorded_path(self))

    @property
    def start_lock(self) -> Path:
        return self.path / "postgresql.start.lock"

    @property
    def users_lock(self) -> Path:
        return self.path / "postgresql.users.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "postgresql.server.lock"

    def major(self) -> int | None:
        """Return the major version of the cluster, or None when there is no cluster.

        Raises:
            EmbeddedServerError: there is something else in its place.
        """
        if not self.cluster.exists():
            return None
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise EmbeddedServerError(
                f"{self.cluster} is not a database of PostgreSQL: its file PG_VERSION is missing or damaged. "
                "Restore the folder from a backup, or move it away to start with an empty database."
            ) from None

    def password(self) -> str | None:
        """Return the password of the role `chatkeep`, or None when it is not on file."""
        try:
            return self.password_file.read_text().strip() or None
        except FileNotFoundError:
            return None

    def new_folder(self, user: ServerUser) -> Path:
        """Make a folder to fill and then rename: a name that is there stands for something whole."""
        new = Path(tempfile.mkdtemp(prefix="postgresql.new-", dir=self.path))
        hand_over(new, user)
        return new

    def remove_unfinished(self) -> None:
        """Remove what a start that was killed has left behind."""
        for left in self.path.glob("postgresql.new-*"):
            shutil.rmtree(left, ignore_errors=True)


def new_password() -> str:
    return secrets.token_urlsafe(32)


def write_password(place: DataFolder, user: ServerUser, password: str) -> None:
    """Write the password so that the file is whole or absent, whenever the process dies."""
    new = place.path / "postgresql.password.new"
    new.unlink(missing_ok=True)
    descriptor = open_private(new, user, os.O_WRONLY)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{password}\n")
        file.flush()
        os.fsync(descriptor)
    new.replace(place.password_file)
    make_lasting(place.path)


def make_lasting(folder: Path) -> None:
    """Have the renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_log_file(place: DataFolder, user: ServerUser) -> int:
    """Make the server's log, put the last one aside if it is large, and return its size in bytes."""
    log_file = place.log_file
    if log_file.exists() and log_file.stat().st_size > LOG_FILE_BYTES:
        log_file.replace(log_file.with_name(f"{log_file.name}.1"))
    descriptor = open_private(log_file, user, os.O_WRONLY)
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def make_socket_folder(place: DataFolder, user: ServerUser) -> Path:
    """Return an empty folder that only the server's user can enter.

    No server may be running: what a killed one left there names a process number that may be anybody's now,
    and the next would refuse to start beside it.
    """
    folder = place.socket_folder
    if _can_hold_a_socket(folder):
        make_private_folder(folder, user)
    else:
        folder = _recorded_short_folder(place, user) or _new_short_folder(place, user)
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (folder / name).unlink(missing_ok=True)
    return folder


def _can_hold_a_socket(folder: Path) -> bool:
    """Whether the kernel takes the path, and the drivers: commas and colons part hosts and ports to them."""
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= MAX_SOCKET_PATH_BYTES and not re.search(rb'[,:"\\]', path)


def remove_short_folder(place: DataFolder, user: ServerUser) -> None:
    """Leave nothing in /tmp, once the server has removed its socket."""
    folder = _recorded_short_folder(place, user)
    if folder is not None and not any(folder.iterdir()):
        folder.rmdir()
        place.socket_path_file.unlink()


def _recorded_short_folder(place: DataFolder, user: ServerUser) -> Path | None:
    """Return the one of last time, unless it is gone: anybody may have made another of that name in /tmp."""
    folder = _recorded_path(place)
    if folder is None:
        return None
    # As a sweep of /tmp leaves it: made again, so that the address stays what it was. Nowhere else, because the
    # record is in the hands of the server's user, who could name any place to root.
    if folder.parent == SHORT_FOLDERS and folder.name.startswith(SHORT_FOLDER_PREFIX):
        with contextlib.suppress(EmbeddedServerError):
            make_private_folder(folder, user)
    return folder if is_private_folder(folder, user) else None


def _recorded_path(place: DataFolder) -> Path | None:
    try:
        return Path(place.socket_path_file.read_text().strip())
    except OSError:
        return None


def _new_short_folder(place: DataFolder, user: ServerUser) -> Path:
    """Make it in /tmp: TMPDIR may be as long, or closed to the server's user."""
    folder = Path(tempfile.mkdtemp(prefix=SHORT_FOLDER_PREFIX, dir=SHORT_FOLDERS))
    hand_over(folder, user)
    descriptor = open_private(place.socket_path_file, user, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{folder}\n")
    return folder
