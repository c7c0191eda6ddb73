"""The keys that sign cookies: refused where a stranger could guess them."""

import re

from chatkeep.errors import ConfigurationError

MIN_KEY_CHARACTERS = 32
MIN_DIFFERENT_CHARACTERS = 8
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
# Nor may the service's own key, which is long, have one of these in it.
PARTS_OF_EXAMPLES = re.compile(r"example|placeholder|your[-_]s|yoursecret")
MAKE_ONE = "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`"


def require_unguessable(keys: tuple[str, ...]) -> None:
    """Refuse no key at all, and any that a stranger could guess, who could then sign cookies for leaked session ids.

    Raises:
        ConfigurationError: says how to make one.
    """
    if not keys:
        raise ConfigurationError(
            f"CHATKEEP_SECRET_KEY is not set. Make one with {MAKE_ONE} and keep it; `chatkeep serve --local` makes and "
            "keeps one by itself."
        )
    for key in keys:
        _require_unguessable(key)


def is_example(key: str) -> bool:
    """Tell whether a key is one that anybody can look up, or the place for one in a template."""
    letters = re.sub(r"[\W_]", "", key).casefold()
    return letters in EXAMPLES or bool(PLACEHOLDERS.search(letters) or PLACEHOLDERS.search(key))


def _require_unguessable(key: str) -> None:
    if len(key) < MIN_KEY_CHARACTERS:
        raise ConfigurationError(
            f"CHATKEEP_SECRET_KEY holds a key of {len(key)} characters; it takes at least {MIN_KEY_CHARACTERS}."
        )
    is_known = is_example(key) or PARTS_OF_EXAMPLES.search(key.lower())
    if is_known or len(set(key)) < MIN_DIFFERENT_CHARACTERS:
        raise ConfigurationError(
            f"CHATKEEP_SECRET_KEY holds an example or a pattern. Make a random one with {MAKE_ONE}."
        )
