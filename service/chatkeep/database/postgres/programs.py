"""The programs of PostgreSQL, as the server's user can run them."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatkeep.database.postgres.binaries import HOW_TO_GET_ONE, PostgresBinaries
from chatkeep.database.postgres.file_locks import FileLock
from chatkeep.database.postgres.privileges import ServerUser
from chatkeep.errors import EmbeddedServerError

# Installations whose lib and share hold more than PostgreSQL.
SHARED_INSTALLATIONS = (Path("/"), Path("/usr"), Path("/usr/local"))
QUOTED_CHARACTERS = 2000


@dataclass(frozen=True)
class Programs:
    """Programs to work on one cluster with. Each holds the server's lock from its start to its end."""

    binaries: PostgresBinaries
    user: ServerUser
    server_lock: FileLock

    def run(self, name: str, *options: str | Path, text: str = "") -> None:
        """Run one of PostgreSQL's programs to its end, fed with `text`.

        Raises:
            EmbeddedServerError: it failed; quotes what it said.
        """
        command = [self.binaries.folder / name, *options]
        done = self._run(command, text)
        if done.returncode:
            said = done.stderr.strip()[-QUOTED_CHARACTERS:] or f"nothing (status {done.returncode})"
            raise EmbeddedServerError(f"PostgreSQL's {name} failed.{_advice(said)} It said:\n{said}")

    def write(self, path: Path, text: str) -> None:
        """Overwrite a file as the server's user: root would follow a link that this user puts in its place."""
        self._run(["/bin/sh", "-c", 'cat >"$1"', "sh", path], text).check_returncode()

    def launch_server(self, cluster: Path, settings: Mapping[str, str], log_file: Path) -> None:
        """Start a server and return at once.

        The shell in between ends at once, which makes the server nobody's child: it makes no difference
        which process launched it, and whether that one still lives.
        """
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server: list[str | Path] = [self.binaries.folder / "postgres", "-D", cluster, *options]
        script = 'log=$1; shift; exec "$@" </dev/null >>"$log" 2>&1 &'
        self._run(["/bin/sh", "-c", script, "sh", log_file, *server])

    def _run(self, command: Sequence[str | Path], text: str = "") -> subprocess.CompletedProcess[str]:
        return self.user.run(
            command,
            environment=self.binaries.environment,
            text=text,
            keep_open=[self.server_lock.descriptor],
        )


def _advice(said: str) -> str:
    if os.strerror(errno.ENOSPC) in said or "Check free disk space" in said:
        return " The disk is full: free some space (a new database takes 50 MB), and start again."
    if "could not look up effective user ID" in said:
        return " Its user has no name: add one to /etc/passwd, or run the service as a user that has one."
    return ""


def runnable_binaries(binaries: PostgresBinaries, user: ServerUser, data_folder: Path) -> PostgresBinaries:
    """Return programs that the server's user can run: these, or a copy in the data folder.

    They are out of its reach when root installed them under its own home. The copy (`postgresql-<version>`,
    40 MB) belongs to root: a server that was taken over cannot change the programs that the next one runs.

    Raises:
        EmbeddedServerError: that user cannot run them, and copying does not help.
        OSError: the copy could not be written.
    """
    if _runs(binaries, user):
        return binaries
    installation, target = binaries.folder.resolve().parent, data_folder / f"postgresql-{binaries.version}"
    copy = replace(binaries, folder=target.joinpath(*installation.parts[-2:], "bin"))
    if not _runs(copy, user):
        _copy_installation(installation, target)
    if _runs(copy, user):
        return copy
    raise _cannot_run(binaries.folder)


def _runs(binaries: PostgresBinaries, user: ServerUser) -> bool:
    try:
        return not any(
            user.run([binaries.folder / name, "--version"], environment=binaries.environment).returncode
            for name in ("initdb", "postgres")
        )
    except OSError:
        return False


def _cannot_run(folder: Path) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"The user that PostgreSQL has to run as cannot run {folder}. Let everyone read it, or use another: "
        f"{HOW_TO_GET_ONE}"
    )


def _copy_installation(installation: Path, target: Path) -> None:
    """Copy the programs, their libraries and data, so that there is a whole copy or none.

    Folders stay as they lie to each other: wheels keep the libraries that they bring along beside their package,
    and their programs look for them from there. A library path in the environment could not name every folder:
    it ends at a colon.
    """
    if installation in SHARED_INSTALLATIONS or not any((installation / "share").glob("**/postgres.bki")):
        raise _cannot_run(installation / "bin")
    package = installation.parent
    new = Path(tempfile.mkdtemp(prefix="postgresql.new-", dir=target.parent))
    try:
        for name in ("bin", "lib", "share"):
            _copy(installation / name, new / package.name / installation.name / name)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            _copy(libraries, new / libraries.name)
        _let_everyone_run(new)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy(folder: Path, copy: Path) -> None:
    try:
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.a"))
    except shutil.Error as error:
        # One error that holds a sentence for each file; the first says what is wrong with all of them.
        sentence = str(error.args[0][0][2])
        number = errno.ENOSPC if os.strerror(errno.ENOSPC) in sentence else errno.EIO
        raise OSError(number, sentence, str(copy)) from error


def _let_everyone_run(copy: Path) -> None:
    """Set the modes of an installation: the original's may be closed file by file, by a strict umask."""
    for place, _, names in os.walk(copy):
        Path(place).chmod(0o755)
        for name in names:
            path = Path(place, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
