"""Takes the text of an address apart: libpq's URI, or its `keyword=value` form. Nothing of it is in an error.

Source: PostgreSQL manual 34.1.1, Connection Strings.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from chatkeep.database.libpq.parameters import CHOICES, SECRETS, SETTING, refuse_unknown
from chatkeep.errors import ConfigurationError

Parameters = dict[str, str]

_SCHEME = re.compile(r"(?:postgresql|postgres|postgresql\+asyncpg)://", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WORD = re.compile(
    r"\s*(?P<name>[^\s=]+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'(?=\s|$)|(?P<bare>(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|))\s*",
    re.DOTALL,
)

HINT = (
    f"{SETTING} is not the address of a PostgreSQL database. It looks like "
    "postgresql://user:password@host:5432/database."
)
ENCODE = (
    f"{SETTING} cannot be read: characters in its user, password and database have to be percent-encoded. "
    "Write / as %2F, @ as %40, % as %25, : as %3A, ? as %3F and # as %23. A port is a number."
)

_AMPERSAND = "In values, & is written %26."


def parameters_of(text: str) -> Parameters:
    """Return the parameters of an address, by libpq's names; several hosts and ports are separated by commas.

    Raises:
        ConfigurationError: it is no address of PostgreSQL's, or holds a parameter that there is not.
    """
    text = text.strip()
    if "\x00" in text or not _is_unicode(text):
        raise ConfigurationError(f"{SETTING} is not text in UTF-8.")
    if scheme := _SCHEME.match(text):
        return _of_uri(text[scheme.end() :])
    if "=" in text and not _OTHER_SCHEME.match(text) and text[0] not in "'\"":
        return _of_words(text)
    raise ConfigurationError(HINT)


def uri_of(parameters: Mapping[str, str]) -> str:
    """Return a URI that `parameters_of` reads as these parameters."""
    pairs = [f"{name}={quote(value, safe='')}" for name, value in parameters.items() if name != "dbname"]
    return f"postgresql:///{quote(parameters.get('dbname', ''), safe='')}" + ("?" + "&".join(pairs) if pairs else "")


def _of_uri(rest: str) -> Parameters:
    found: Parameters = {}
    # As libpq does: up to the first @, unless a / comes before it.
    if (at := re.search(r"[@/]", rest)) and at[0] == "@":
        user, _, password = rest[: at.start()].partition(":")
        found |= {"user": _decoded(user)} if user else {}
        found |= {"password": _decoded(password)} if password else {}
        rest = rest[at.end() :]
    authority, slash, database, query = _divided(rest)
    if "@" in authority or "@" in database:
        raise ConfigurationError(ENCODE)
    found |= _hosts(authority)
    found |= {"dbname": _decoded(database)} if slash and database else {}
    return found | _query(query)


def _divided(rest: str) -> tuple[str, str, str, str]:
    match = re.fullmatch(r"([^/?]*)(/?)([^?]*)(?:\?(.*))?", rest, re.DOTALL)
    assert match is not None  # noqa: S101  every text has this form
    return match[1], match[2], match[3], match[4] or ""


def _hosts(authority: str) -> Parameters:
    if not authority:
        return {}
    names, ports = [], []
    for each in authority.split(","):
        match = re.fullmatch(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?", each)
        if match is None:
            raise ConfigurationError(ENCODE)
        names.append(_decoded(match["name"] if match["six"] is None else match["six"]))
        ports.append(match["port"] or "")
    several = len(names) > 1
    found = {"host": ",".join(names)} if several or any(names) else {}
    return found | ({"port": ",".join(ports)} if several or any(ports) else {})


def _query(query: str) -> Parameters:
    found: Parameters = {}
    for pair in query.split("&") if query else ():
        name, equals, value = pair.partition("=")
        nameable = not SECRETS & found.keys() and "@" not in query
        if not equals:
            raise ConfigurationError(f"{SETTING} holds a parameter without a value. " + _AMPERSAND)
        found |= _parameter(_decoded(name), _decoded(value), nameable=nameable)
    return found


def _of_words(text: str) -> Parameters:
    """Read `host=db user=chatkeep password='a secret'`."""
    found: Parameters = {}
    place = 0
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            raise ConfigurationError(
                f"{SETTING} cannot be read. It looks like postgresql://user:password@host:5432/database, or like "
                "host=db dbname=chatkeep user=chatkeep, where values with spaces are in single quotes."
            )
        raw = match["bare"] if match["quoted"] is None else match["quoted"]
        value = re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)
        found |= _parameter(match["name"], value, nameable=not SECRETS & found.keys())
        place = match.end()
    return found


def _parameter(name: str, value: str, *, nameable: bool) -> Parameters:
    """Read one, by whichever of its names it goes."""
    if name == "ssl":  # JDBC's `ssl=true`, which libpq takes, too, and asyncpg's `ssl=require`
        name, value = "sslmode", value if value in CHOICES["sslmode"] else {"true": "require"}.get(value, "?")
    name = {"database": "dbname", "username": "user"}.get(name, name)
    refuse_unknown(name, nameable=nameable)
    return {name: value}


def _decoded(text: str) -> str:
    if _STRAY_PERCENT.search(text):
        raise ConfigurationError(ENCODE)
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{SETTING} holds percent-encoded characters that are not text in UTF-8.") from None
    if "\x00" in decoded:
        raise ConfigurationError(f"{SETTING} holds %00, which PostgreSQL does not take.")
    return decoded


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
