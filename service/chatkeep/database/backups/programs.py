"""`pg_dump` and `pg_restore`: found, told where the database is, and run."""

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.programs import program_arguments
from chatkeep.database.postgres.binaries import environment_of, program_folders, version_of
from chatkeep.errors import BackupError

NAMES = ("pg_dump", "pg_restore")
QUOTED_CHARACTERS = 2000
_PROGRESS = re.compile(r'(?:dumping contents of|processing data for) table "([^"]+)"')

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BackupPrograms:
    """The two programs of one PostgreSQL.

    Args:
        folder: where they are.
        major: 18 of 18.4; they can read servers and files of this version and older ones.
    """

    folder: Path
    major: int

    def run(
        self,
        name: str,
        *options: str | Path,
        url: str | None = None,
        stdout: int = subprocess.DEVNULL,
        progress: Progress | None = None,
    ) -> None:
        """Run a program to its end; an interrupt ends the program, too.

        Args:
            url: the database to work on.
            progress: told of each table that is begun.

        Raises:
            BackupError: it failed; quotes what it said.
        """
        said: list[str] = []
        with self._started(name, options, url, stdout) as process:
            try:
                assert process.stderr is not None  # noqa: S101  asked for below
                for line in process.stderr:
                    if table := _PROGRESS.search(line):
                        if progress is not None:
                            progress(table[1].rpartition(".")[2])
                    elif line.startswith((f"{name}: error:", f"{name}: hint:")):
                        said.append(line)  # a detail or a context may quote a row
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            words = "".join(said).strip()[-QUOTED_CHARACTERS:] or f"nothing (status {process.returncode})"
            raise BackupError(f"PostgreSQL's {name} failed. It said:\n{words}")

    def listing(self, file: Path) -> str:
        """Return the contents of a backup, one line each; an empty text where it is none that can be read."""
        command = [str(self.folder / "pg_restore"), "--list", str(file)]
        done = subprocess.run(command, capture_output=True, check=False, env=environment_of(self.folder))
        return "" if done.returncode else done.stdout.decode(errors="replace")

    @contextmanager
    def _started(
        self, name: str, options: Sequence[str | Path], url: str | None, stdout: int
    ) -> Iterator["subprocess.Popen[str]"]:
        with _told(url) as (place, environment):
            process = subprocess.Popen(
                [str(self.folder / name), "--verbose", *place, *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=environment_of(self.folder) | environment,
            )
            with process:
                yield process


@contextmanager
def _told(url: str | None) -> Iterator[tuple[list[str], dict[str, str]]]:
    if url is None:
        yield [], {}
        return
    with program_arguments(DatabaseAddress.parse(url)) as address:
        yield address


def find_backup_programs(major: int, setting: Path | None, *, encrypted: bool = False) -> BackupPrograms:
    """Return programs that fit a server: of its own major version, otherwise of the next that is newer.

    Args:
        setting: an installation of PostgreSQL or its bin folder that is looked at first.
        encrypted: only programs that speak TLS. The embedded server's do not.

    Raises:
        BackupError: there are none; says which would do.
    """
    found: list[BackupPrograms] = []
    for folder in program_folders(setting, NAMES[0]):
        versions = {version_of(folder / name) for name in NAMES}
        version = versions.pop()
        if version is not None and not versions:
            found.append(BackupPrograms(folder, int(re.findall(r"\d+", version)[0])))
    fitting = [each for each in found if each.major >= major]
    if not fitting:
        others = ", ".join(sorted({str(each.major) for each in found})) or "none"
        raise BackupError(
            f"The database is PostgreSQL {major}, which takes its pg_dump and pg_restore of version {major} or newer "
            f"(found: {others}). Install them, or set CHATKEEP_POSTGRES_BIN to their folder."
        )
    able = [each for each in fitting if _speaks_tls(each.folder)] if encrypted else fitting
    if not able:
        # Not without TLS instead: every conversation would go over the network in the clear.
        raise BackupError(
            f"The connection to the database is encrypted, and no pg_dump of version {major} or newer here speaks TLS: "
            "the embedded server's does not. Install PostgreSQL's client programs, or set CHATKEEP_POSTGRES_BIN to "
            "their folder."
        )
    return min(able, key=lambda each: each.major)


def _speaks_tls(folder: Path) -> bool:
    """Ask the program: without TLS it refuses the mode before it looks for a server."""
    command = [str(folder / NAMES[0]), "--no-password", "--dbname=dbname=none host=/nonexistent sslmode=require"]
    done = subprocess.run(command, capture_output=True, check=False, env=environment_of(folder))
    return b"not compiled in" not in done.stderr
