"""One database address, as each of the two libraries wants it."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from service.errors import ConfigurationError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")


def parsed_url(url: str) -> URL:
    """Return `url` as SQLAlchemy's, for its asyncpg dialect.

    Raises:
        ConfigurationError: not the address of a PostgreSQL database. The address is not quoted: it may
            hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(_HINT) from None
    if parsed.drivername not in SCHEMES or not parsed.database:
        raise ConfigurationError(_HINT)
    return parsed.set(drivername="postgresql+asyncpg")


def driver_url(url: str) -> str:
    """Return `url` for asyncpg itself."""
    return parsed_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def shown_url(url: str) -> str:
    """Return `url` without its password, for people and logs."""
    shown = parsed_url(url).set(drivername="postgresql").difference_update_query(["password"])
    return shown.render_as_string(hide_password=True)


_HINT = (
    "CHATKEEP_DATABASE_URL is not the address of a PostgreSQL database. "
    "It looks like postgresql://user:password@host:5432/database."
)
