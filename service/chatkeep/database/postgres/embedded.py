"""A PostgreSQL that the service brings along: made, started, shared and stopped without being asked.

    with EmbeddedPostgres(default_data_dir()) as server:
        connect(server.url)

Any number of processes may use one data folder at once: the first starts the server, the last stops it.
Three file locks say who is doing what, and the kernel drops a lock when its holder is gone:

    start     held by one process while it starts, joins, leaves or stops
    users     shared by every process that uses the server; who can have it alone is the last
    server    held by the server itself, and by initdb (postmaster.py says why)

Starting, and the state that a process leaves that is killed after a step:

    1. start lock taken              nothing; the kernel drops the lock
    2. users lock shared             nothing; the kernel drops the lock
    3. stale postmaster.pid removed  a stopped cluster; the server's lock is in hand, so nobody works in it
    4. a cluster made, if missing    a complete cluster or none (cluster.py)
    5. server launched               a server without users: the next process waits until it is ready, and joins
    6. ready, start lock released    the same

Stopping:

    1. start lock taken              a server without users: the next process joins it, and as its last stops it
    2. users lock alone              the same
    3. server told to stop           it stops by itself; the next start sees it to its end
    4. short socket folder removed   a stopped cluster

A killed server loses nothing that was committed: the next start replays its log, however long that
takes.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import platformdirs

from chatkeep.database.postgres.binaries import PostgresBinaries, find_binaries, find_binaries_of
from chatkeep.database.postgres.cluster import DATABASE, ROLE, create_cluster, renew_password
from chatkeep.database.postgres.data_folder import PORT, DataFolder, write_password
from chatkeep.database.postgres.file_locks import FileLock
from chatkeep.database.postgres.postmaster import Postmaster, Server, running_postmaster
from chatkeep.database.postgres.privileges import ServerUser, prepare_folder
from chatkeep.database.postgres.programs import Programs, runnable_binaries
from chatkeep.errors import EmbeddedServerError


def default_data_dir() -> Path:
    """Return where the data is kept unless the operator says otherwise.

    Root's home is closed to the user that root's server runs as: root's data is where services keep theirs.
    """
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/chatkeep")
    return platformdirs.user_data_path("chatkeep", appauthor=False)


class EmbeddedPostgres:
    """One process's use of the server in a data folder. Not for several threads at once.

    Args:
        folder: the service's data folder; made if it is missing.
        binaries: an installation of PostgreSQL or its bin folder; None looks for one.
        log: told, in one line, of what takes time. Never told the password.
    """

    def __init__(self, folder: Path, *, binaries: Path | None = None, log: Callable[[str], None] | None = None) -> None:
        self.place = DataFolder(folder.expanduser().resolve())
        self._setting = binaries
        self._log = log or (lambda _line: None)
        self._user: ServerUser | None = None
        self._users_lock: FileLock | None = None
        self._url: str | None = None
        self._password: str | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the database for asyncpg, with its password.

        Raises:
            EmbeddedServerError: `start` was not called, or `stop` was.
        """
        if self._url is None:
            raise EmbeddedServerError("The embedded PostgreSQL is not started.")
        return self._url

    @property
    def log_file(self) -> Path:
        """The server's log, which holds nothing of the stored data."""
        return self.place.log_file

    def tell(self, log: Callable[[str], None]) -> None:
        """Tell `log` of what takes time, from now on."""
        self._log = log

    def make_outage_file(self) -> None:
        """Have room for what is said when the server is away, while there is some.

        Raises:
            EmbeddedServerError: there is none.
        """
        if self._user is not None:
            with _explained(self.place.path):
                self.place.outage_file.make(self._user)

    def is_running(self) -> bool:
        """Whether its first process lives; it may be starting or stopping."""
        return running_postmaster(self.place.cluster) is not None

    def start(self) -> str:
        """Make, start or join the server, and return the address of its database, with its password.

        Waits without a limit for another process that is starting or stopping it, and for recovery after a
        crash. When the server has died since, calling it again brings it back.

        Raises:
            EmbeddedServerError: says what stands in the way and what to do.
        """
        _refuse_windows()
        with _explained(self.place.path):
            user = prepare_folder(self.place.path, self.place.cluster)
            with self._turn(user):
                try:
                    self._join(user)
                    self._url = self._running_url(user)
                except BaseException:
                    self._leave(user)
                    raise
                self._password = self.place.password()
        self._user = user
        return self._url

    def stop(self) -> None:
        """Leave the server, and stop it when nobody else uses it. Does nothing when it is not started.

        Raises:
            EmbeddedServerError: the server does not stop. It is not killed.
        """
        if self._user is None or self._users_lock is None:
            return
        with _explained(self.place.path), self._turn(self._user):
            self._leave(self._user)

    @contextmanager
    def _turn(self, user: ServerUser) -> Iterator[None]:
        """Be the only process that starts, joins, leaves or stops this server."""
        lock = FileLock(self.place.start_lock, user)
        try:
            if not lock.try_take():
                self._log("Waiting for another process that is starting or stopping PostgreSQL.")
                lock.take()
            yield
        finally:
            lock.release()

    def _join(self, user: ServerUser) -> None:
        if self._users_lock is None:
            self._users_lock = FileLock(self.place.users_lock, user)
            self._users_lock.share()

    def _leave(self, user: ServerUser) -> None:
        lock, self._users_lock, self._url = self._users_lock, None, None
        if lock is None:
            return
        try:
            if lock.try_take():
                Server(self.place, user, self._log).stop()
        finally:
            lock.release()

    def _running_url(self, user: ServerUser) -> str:
        running = self._running_server(Server(self.place, user, self._log), user)
        password = self.place.password()
        if password is None:
            raise EmbeddedServerError(
                f"{self.place.password_file} is missing while the server is running. Stop every process of "
                "the service: the next start sets a new password."
            )
        # The port is written out, because asyncpg would otherwise take PGPORT from the environment.
        socket_folder = quote(str(running.socket_folder), safe="")
        return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={socket_folder}&port={PORT}"

    def _running_server(self, server: Server, user: ServerUser) -> Postmaster:
        joined = server.wait_until_ready(log_bytes=0) if server.running() else None
        return joined or self._start_server(server, user)

    def _start_server(self, server: Server, user: ServerUser) -> Postmaster:
        lock = FileLock(self.place.server_lock, user)
        try:
            server.stop()  # sees one to its end that is stopping already
            if not server.wait_until_gone(lock):
                return self._running_server(server, user)
            (self.place.cluster / "postmaster.pid").unlink(missing_ok=True)
            self.place.remove_unfinished()
            programs = self._prepared_cluster(user, lock)
            self._log(f"Starting PostgreSQL {programs.binaries.version} of {programs.binaries.folder}.")
            log_bytes = server.launch(programs)
        finally:
            lock.release()
        running = server.wait_until_ready(log_bytes)
        if running is None:
            raise server.did_not_start(log_bytes)
        return running

    def _prepared_cluster(self, user: ServerUser, server_lock: FileLock) -> Programs:
        """Make the cluster if it is missing, and return programs of its version."""
        place, major = self.place, self.place.major()
        if major is None:
            programs = self._programs(find_binaries(self._setting), user, server_lock)
            self._log(f"Creating a database of PostgreSQL {programs.binaries.version} in {place.cluster}.")
            create_cluster(place, programs)
            return programs
        programs = self._programs(find_binaries_of(major, self._setting, place.cluster), user, server_lock)
        if place.password() is None and self._password is not None:
            # The server knows no other, and neither do those who use the address that `start` gave them.
            write_password(place, user, self._password)
        elif place.password() is None:
            self._log("The database's password is not on file: setting a new one.")
            renew_password(place, programs)
        return programs

    def _programs(self, found: PostgresBinaries, user: ServerUser, server_lock: FileLock) -> Programs:
        return Programs(runnable_binaries(found, user, self.place.path), user, server_lock)


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise EmbeddedServerError(
            "The embedded PostgreSQL does not run on Windows. Install PostgreSQL and set "
            "CHATKEEP_DATABASE_URL, or run the service in WSL or a container."
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into what a person can do about it."""
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded PostgreSQL in {folder} cannot be used: {error.filename or folder}: "
            f"{error.strerror or error}. {_remedy(error)}"
        ) from error


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: free some space, and start again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP):
        return (
            "Run the service as the user that the folder belongs to, or choose a folder of your own with "
            "--data-dir or CHATKEEP_DATA_DIR."
        )
    return "Choose another folder with --data-dir or CHATKEEP_DATA_DIR, or set CHATKEEP_DATABASE_URL."
