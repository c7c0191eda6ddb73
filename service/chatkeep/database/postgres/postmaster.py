"""The server's first process: recognising it, launching it, waiting for it, stopping it.

Every process of the server holds the server's lock: a file lock whose descriptor the first is given at
launch and hands on to those that it forks. As long as one of them lives the lock is held, whatever the file
`postmaster.pid` says; when it is free, nobody works in the cluster. A zombie holds no lock, nor does a
stranger who was given the number of a dead server's process, and another container on the same volume sees
the lock where it does not see the process. So nothing is ever started beside something that still writes.
"""

import contextlib
import math
import os
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from chatkeep.database.postgres.cluster import DATABASE, ROLE
from chatkeep.database.postgres.data_folder import (
    SOCKET_NAME,
    DataFolder,
    make_log_file,
    make_socket_folder,
    remove_short_folder,
)
from chatkeep.database.postgres.file_locks import FileLock, is_free
from chatkeep.database.postgres.privileges import ServerUser
from chatkeep.database.postgres.programs import Programs
from chatkeep.database.postgres.server_settings import settings_for
from chatkeep.errors import EmbeddedServerError

FAST_LIMIT_SECONDS = 30
IMMEDIATE_LIMIT_SECONDS = 10
LEFTOVERS_PATIENCE_SECONDS = 2
LEFTOVERS_LIMIT_SECONDS = 60
ANSWER_LIMIT_SECONDS = 5
REPORT_EVERY_SECONDS = 5
MAX_PAUSE_SECONDS = 0.25
QUOTED_BYTES = 2000
PROTOCOL_VERSION = 3 << 16
SCARCE_BYTES = 64 * 1024 * 1024

Log = Callable[[str], None]


@dataclass(frozen=True)
class Postmaster:
    """A live server.

    Args:
        status: `starting`, `ready`, `standby` or `stopping`.
        socket_folder: where it listens; None until it does.
    """

    pid: int
    status: str
    socket_folder: Path | None


def running_postmaster(cluster: Path) -> Postmaster | None:
    """Return the server that works in the cluster, or None when `postmaster.pid` is missing or stale."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None
    if not _is_postmaster_of(cluster, pid):
        return None
    folder = Path(lines[4]) if len(lines) > 4 and lines[4] else None
    status = lines[7].strip() if len(lines) > 7 else "starting"
    return Postmaster(pid, status, folder)


def _is_postmaster_of(cluster: Path, pid: int) -> bool:
    """Look at the process itself: after a crash its number may be anybody's."""
    try:
        process = psutil.Process(pid)
        # A zombie has no command line. The server's other processes have titles: "postgres: checkpointer".
        program, *options = process.cmdline()
        return Path(program).name in ("postgres", "postmaster") and (
            str(cluster) in options or _works_in(process, cluster)
        )
    except (psutil.Error, OSError, ValueError):
        return False


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    """True of every process of a server, and of one that was started by hand with a relative path.

    Not to be relied on alone: root in a container may not see where another user's process works.
    """
    return Path(process.cwd()).samefile(cluster)


class Server:
    """The server of one data folder, running or not. Changing it takes the start lock."""

    def __init__(self, place: DataFolder, user: ServerUser, log: Log) -> None:
        self._place = place
        self._user = user
        self._log = log

    def running(self) -> Postmaster | None:
        return running_postmaster(self._place.cluster)

    def launch(self, programs: Programs) -> int:
        """Launch the server, and return how many bytes its log had before."""
        log_bytes = make_log_file(self._place, self._user)
        settings = settings_for(make_socket_folder(self._place, self._user))
        programs.launch_server(self._place.cluster, settings, self._place.log_file)
        return log_bytes

    def wait_until_ready(self, log_bytes: int) -> Postmaster | None:
        """Wait as long as the server lives: after a crash, recovery takes the time it takes.

        Args:
            log_bytes: how long the log was before this start, to report what was written since then.

        Returns:
            The server that takes sessions, or None when it is gone or going.

        Raises:
            EmbeddedServerError: it is up, and its socket cannot be found.
        """
        server: Postmaster | None = None

        def decided() -> bool:
            nonlocal server
            server = self.running()
            if server is None:
                return self._is_free()
            return server.status == "stopping" or takes_sessions(server)

        def report(seconds: int) -> None:
            _require_socket(server)
            said = quoted_log(self._place.log_file, log_bytes).rpartition("\n")[2]
            self._log(f"PostgreSQL is not ready yet after {seconds} s. Its log ends with: {said}")

        _wait_for(decided, report)
        return None if server is None or server.status == "stopping" else server

    def wait_until_gone(self, server_lock: FileLock) -> bool:
        """Wait until no process works in the cluster, and take the server's lock.

        Returns:
            False when a server turned up instead: somebody launched it just before being killed.

        Raises:
            EmbeddedServerError: some stay longer than `LEFTOVERS_LIMIT_SECONDS`. None is killed: it may be writing.
        """

        def decided() -> bool:
            return self.running() is not None or server_lock.try_take()

        def report(seconds: int) -> None:
            self._log(f"Waiting for the last PostgreSQL to end, for {seconds} s so far.")

        if not _wait_for(decided, report, min(LEFTOVERS_PATIENCE_SECONDS, LEFTOVERS_LIMIT_SECONDS)):
            self._tell_leftovers_to_exit()
        if not _wait_for(decided, report, LEFTOVERS_LIMIT_SECONDS):
            raise EmbeddedServerError(
                f"After {LEFTOVERS_LIMIT_SECONDS} s, {_who_works_in(self._place.cluster)} still works in "
                f"{self._place.cluster}. Wait until it has ended, or stop it with kill -QUIT, then start again."
            )
        return self.running() is None

    def _tell_leftovers_to_exit(self) -> None:
        """Tell the processes of a dead server what it would have told them when one of the others crashed.

        They look for its death only between two steps, and a long query is one step. They write nothing more then,
        and the next start replays the log.
        """
        pids = [pid for pid in _pids_in(self._place.cluster) if not _is_postmaster_of(self._place.cluster, pid)]
        if pids:
            self._log("Telling what is left of a PostgreSQL that was killed to exit.")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)

    def stop(self) -> None:
        """Have the server end sessions, write everything down and exit, if it runs.

        When this ("fast shutdown") takes too long, it is told to exit at once ("immediate shutdown"), which
        loses nothing: the next start replays its log. It can take for ever: a PostgreSQL that is just coming
        back from the crash of one of its processes (seen from 15 to 18) waits for one that nobody told to stop.

        Raises:
            EmbeddedServerError: it does neither. It is not killed.
        """
        server = self.running()
        if server is None:
            return
        self._log("Stopping PostgreSQL.")
        if not self._ends(server, signal.SIGINT, FAST_LIMIT_SECONDS):
            self._log("PostgreSQL does not stop. Telling it to exit at once; the next start recovers.")
            if not self._ends(server, signal.SIGQUIT, IMMEDIATE_LIMIT_SECONDS):
                raise EmbeddedServerError(
                    f"PostgreSQL (process {server.pid}) was told to stop and does not. It was not killed, because it "
                    "may be writing. The next start waits until it has ended."
                )
        remove_short_folder(self._place, self._user)

    def _ends(self, server: Postmaster, when_told: signal.Signals, limit_seconds: float) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, when_told)

        def gone() -> bool:
            return self.running() is None and self._is_free()

        def report(seconds: int) -> None:
            self._log(f"PostgreSQL is still writing after {seconds} s.")

        return _wait_for(gone, report, limit_seconds)

    def did_not_start(self, log_bytes: int) -> EmbeddedServerError:
        """Explain it with what the server wrote, and with how full the disk is."""
        said = quoted_log(self._place.log_file, log_bytes) or "nothing"
        free = shutil.disk_usage(self._place.path).free
        room = f" The disk has {free // 2**20} MB left: free some space." if free < SCARCE_BYTES else ""
        return EmbeddedServerError(
            f"PostgreSQL did not start.{room} Its log, {self._place.log_file}, ends with:\n{said}"
        )

    def _is_free(self) -> bool:
        return is_free(self._place.server_lock, self._user)


def takes_sessions(server: Postmaster) -> bool:
    """Ask the server itself, with the first message of a session.

    The file says "ready" also while the server comes back from the crash of one of its processes; it then
    refuses with SQLSTATE 57P03. Any other answer, such as "too many sessions", comes from one that is up.

    Source: PostgreSQL manual, Frontend/Backend Protocol, StartupMessage.
    """
    if server.status != "ready" or server.socket_folder is None:
        return False
    options = b"user\0" + ROLE.encode() + b"\0database\0" + DATABASE.encode() + b"\0\0"
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(ANSWER_LIMIT_SECONDS)
            asking.connect(str(server.socket_folder / SOCKET_NAME))
            asking.sendall(struct.pack("!ii", 8 + len(options), PROTOCOL_VERSION) + options)
            answer = asking.recv(1024)
    except OSError:
        return False
    return bool(answer) and b"57P03" not in answer


def _require_socket(server: Postmaster | None) -> None:
    if server is None or server.status != "ready" or server.socket_folder is None:
        return
    if not (server.socket_folder / SOCKET_NAME).exists():
        raise EmbeddedServerError(
            f"PostgreSQL runs (process {server.pid}), but its socket in {server.socket_folder} is gone or out of "
            "sight, as in a service that systemd gives a /tmp of its own. Stop the processes that use it, or "
            "choose a data folder with a short path: its socket is then inside it."
        )


def _wait_for(happened: Callable[[], bool], report: Callable[[int], None], limit_seconds: float = math.inf) -> bool:
    """Look until it has happened or the limit is over; every few seconds report how many have passed."""
    began = reported = time.monotonic()
    pause_seconds = 0.01
    while not happened():
        now = time.monotonic()
        if now - began > limit_seconds:
            return False
        if now - reported >= REPORT_EVERY_SECONDS:
            reported = now
            report(int(now - began))
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.2, MAX_PAUSE_SECONDS)
    return True


def _who_works_in(cluster: Path) -> str:
    """Name the processes whose working directory is the cluster, as that of every process of a server is."""
    pids = _pids_in(cluster)
    return f"process {', '.join(map(str, pids))}" if pids else "a process out of sight, such as another container's,"


def _pids_in(cluster: Path) -> list[int]:
    return [each.pid for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(cluster)]


def quoted_log(log_file: Path, since_byte: int) -> str:
    """Return the end of what the server wrote to its log since then."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(since_byte, size - QUOTED_BYTES))
        return file.read().decode(errors="replace").strip()
