"""The keys that sign cookies: refused where a stranger could guess them."""

from chatkeep.errors import ConfigurationError

MIN_KEY_CHARACTERS = 32
MIN_DIFFERENT_CHARACTERS = 8
EXAMPLES = (
    "change-me",
    "change_me",
    "changeme",
    "example",
    "placeholder",
    "your-s",
    "your_s",
    "yoursecret",
)
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


def _require_unguessable(key: str) -> None:
    if len(key) < MIN_KEY_CHARACTERS:
        raise ConfigurationError(
            f"CHATKEEP_SECRET_KEY holds a key of {len(key)} characters; it takes at least {MIN_KEY_CHARACTERS}."
        )
    if any(example in key.lower() for example in EXAMPLES) or len(set(key)) < MIN_DIFFERENT_CHARACTERS:
        raise ConfigurationError(
            f"CHATKEEP_SECRET_KEY holds an example or a pattern. Make a random one with {MAKE_ONE}."
        )
