"""The keys that sign a cookie: one or a list, and none that a stranger could look up."""

import logging
import re
from collections.abc import Sequence
from typing import TypeAlias

from starlette.datastructures import Secret

from service.errors import ConfigurationError

Key: TypeAlias = str | bytes | Secret

SHORT_KEY = 32
# Of manuals, templates and published programs, without case and signs.
EXAMPLES = frozenset(
    {
        "chatstreamsecretkey",
        "example",
        "mysecret",
        "mysecretkey",
        "mysessionsecretkey",
        "password",
        "placeholder",
        "secret",
        "secretkey",
        "sessionsecret",
        "sessionsecretkey",
        "supersecret",
        "supersecretkey",
        "yoursecret",
        "yoursecretkey",
        "yoursessionsecretkey",
    }
)
# Where a template says to put something else.
PLACEHOLDERS = re.compile(r"changeme|changethis|replaceme|yoursecretkey|yoursession|insertkey|^<.*>$")
HINT = "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'` and keep it out of the source."

log = logging.getLogger(__name__)


def signing_keys(secret_key: Key | Sequence[Key]) -> tuple[str, ...]:
    """Return the keys, newest last.

    Raises:
        ConfigurationError: there is none, or one is empty or an example that anybody can look up.
    """
    given = [secret_key] if isinstance(secret_key, str | bytes | Secret) else list(secret_key)
    keys = tuple(key.decode("latin-1") if isinstance(key, bytes) else str(key) for key in given)
    if not keys:
        raise ConfigurationError(f"secret_key is an empty list. {HINT}")
    for key in keys:
        _refuse_known(key)
    if any(len(key) < SHORT_KEY for key in keys):
        log.warning("secret_key is shorter than %d characters. %s", SHORT_KEY, HINT)
    return keys


def _refuse_known(key: str) -> None:
    """Who knows the key can have any value taken for a session's id, and the store asked for it."""
    if not key.strip():
        raise ConfigurationError(f"secret_key is empty. {HINT}")
    letters = re.sub(r"[\W_]", "", key).casefold()
    if letters in EXAMPLES or PLACEHOLDERS.search(letters) or PLACEHOLDERS.search(key):
        raise ConfigurationError(f"secret_key is an example. {HINT}")
