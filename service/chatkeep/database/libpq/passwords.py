"""Looks a password up in libpq's password file.

Source: PostgreSQL manual 34.16, The Password File.
"""

import os
import re
import stat
from pathlib import Path

from chatkeep.errors import ConfigurationError

PASSWORD_FILE = ".pgpass"  # noqa: S105  a file's name
_FIELD = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)")


def password_in(file: Path, host: str, port: int, database: str, user: str) -> str | None:
    """Return the password of the first line that fits, or None. A file that cannot be read holds none.

    Args:
        host: a socket's default folder counts as localhost.
    """
    wanted = (host, str(port), database, user)
    for line in _lines(file):
        fields = [re.sub(r"\\(.)", r"\1", field) if field != "*" else "*" for field in _FIELD.findall(line)[:5]]
        if len(fields) == 5 and all(a in ("*", b) for a, b in zip(fields, wanted, strict=False)):
            return fields[4] if fields[4] != "" else None
    return None


def require_closed(file: Path, called: str) -> None:
    """Refuse a password file that is missing or that others may read, which libpq would silently pass over.

    Raises:
        ConfigurationError: it is missing, or others may read it.
    """
    try:
        there, closed = file.is_file(), file.is_file() and _is_closed(file)
    except OSError:
        there, closed = False, False
    if not there:
        raise ConfigurationError(f"{called} names the file {file}, which is not there, or closed to this user.")
    if not closed:
        raise ConfigurationError(f"{called} names the file {file}, which others may read: `chmod 600` closes it.")


def _lines(file: Path) -> list[str]:
    try:
        if not file.is_file() or not _is_closed(file):
            return []
        return [line for line in file.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
    except (OSError, ValueError):
        return []


def _is_closed(file: Path) -> bool:
    return os.name == "nt" or not file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
