"""Where a model server's API is, made of what an operator writes."""

import base64
from dataclasses import dataclass

from pydantic import SecretStr
from yarl import URL

from chatkeep import __version__
from chatkeep.errors import ConfigurationError

COMPLETIONS = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The two addresses that are asked, without user and password."""

    completions: URL
    models: URL


def endpoints(url: str) -> Endpoints:
    """Return the addresses; without any path `/v1` is meant, and a query goes with both.

    Raises:
        ConfigurationError: it is no address that can be asked.
    """
    address = parse_address(url, "CHATKEEP_MODEL_URL").with_user(None).with_fragment(None)
    path = address.raw_path.rstrip("/").removesuffix(COMPLETIONS) or ("" if COMPLETIONS in address.raw_path else "/v1")
    query = address.raw_query_string
    base = address.with_path(path, encoded=True) if path else address.origin()

    def at(tail: str) -> URL:
        found = base.with_path(f"{path}{tail}", encoded=True)
        return URL(f"{found}?{query}", encoded=True) if query else found

    return Endpoints(at(COMPLETIONS), at("/models"))


def parse_address(url: str, setting: str) -> URL:
    """Return an http or https address.

    Raises:
        ConfigurationError: names the setting, and not what was written: there may be a password in it.
    """
    try:
        address = URL(url)
        scheme, host = address.scheme, address.host
    except ValueError:
        raise ConfigurationError(f"{setting} is not an address.") from None
    if scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{setting} is not an http or https address.")
    return address


def own_headers(url: str, api_key: SecretStr | str | None) -> dict[str, SecretStr]:
    """Return our request headers: the name of this service, and the key.

    A user and password in the address are Basic authentication where there is no key. Azure, known by its
    `api-version`, takes its keys in a header of its own.

    Raises:
        ConfigurationError: no header can carry the key.
    """
    address = parse_address(url, "CHATKEEP_MODEL_URL")
    headers = {"User-Agent": SecretStr(f"chatkeep/{__version__}")}
    key = _stripped(api_key)
    if key and "api-version" in address.query:
        headers["api-key"] = SecretStr(key)
    elif key:
        headers["Authorization"] = SecretStr(f"Bearer {key}")
    elif address.user is not None or address.password is not None:
        pair = f"{address.user or ''}:{address.password or ''}"
        headers["Authorization"] = SecretStr(f"Basic {base64.b64encode(pair.encode()).decode()}")
    return headers


def _stripped(api_key: SecretStr | str | None) -> str:
    """A key that was read from a file ends in a newline."""
    key = (api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        # The HTTP library would refuse it too, quoting it in the error.
        raise ConfigurationError("CHATKEEP_MODEL_API_KEY holds characters that no HTTP header can carry.")
    return key
