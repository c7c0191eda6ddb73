"""Writes a backup: a file that is whole or not there.

Steps, and the state that a process leaves that dies after each:

    1. a draft is made, beside the file and closed to others    an empty draft
    2. pg_dump writes one snapshot of the database into it       a part of a draft, which nobody takes for a backup
    3. it is read, made lasting, and takes the file's name       the backup
"""

import os
import re
import secrets
from pathlib import Path

from chatkeep.database.backups.programs import BackupPrograms, Progress
from chatkeep.database.postgres.data_folder import make_lasting
from chatkeep.errors import BackupError

OPTIONS = ("--format=custom", "--no-owner", "--no-privileges")
# Every backup of this service holds them.
TABLES = ("alembic_version", "users", "conversations", "turns")
_REVISION = re.compile(r"^\d+; \d+ \d+ TABLE DATA (.+) alembic_version ", re.MULTILINE)


def dump(programs: BackupPrograms, url: str, file: Path, *, replace: bool, progress: Progress | None = None) -> int:
    """Back the database up while it is used, and return the file's size in bytes.

    Args:
        replace: take the place of a file that is there.

    Raises:
        BackupError: there is such a file or no such folder, or pg_dump failed; nothing was changed.
        OSError: the file cannot be written.
    """
    if file.exists() and not replace:
        raise BackupError(f"{file} is there already. Choose another name, or say --force.")
    if not file.parent.is_dir():
        raise BackupError(f"There is no folder {file.parent}.")
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    # Its reader can read every conversation.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            programs.run("pg_dump", *OPTIONS, url=url, stdout=descriptor, progress=progress)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        require_backup(programs, draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    make_lasting(file.parent)
    return file.stat().st_size


def require_backup(programs: BackupPrograms, file: Path) -> None:
    """Refuse a file that is no backup of this service.

    Raises:
        BackupError: it is no backup, or not of this service.
    """
    if not schemas_in(programs.listing(file)):
        raise BackupError(
            f"{file} is not a backup of Chatkeep, or was cut off, or is of a PostgreSQL newer than {programs.major}."
        )


def schemas_in(listing: str) -> list[str]:
    """Return the schemas that hold this service's tables, one as a rule; `public` unless the role has its own."""
    schemas = dict.fromkeys(_REVISION.findall(listing))
    return [name for name in schemas if all(f" TABLE DATA {name} {table} " in listing for table in TABLES)]
