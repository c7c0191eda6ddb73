"""Users whom a server in front has signed in and names: by headers that nobody else may set."""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from chatkeep.errors import ConfigurationError, Invalid, UntrustedIdentity
from chatkeep.http.addresses import Network, is_within, peer_of

MIN_SECRET_CHARACTERS = 32
SECRET_HEADER = "X-Chatkeep-Auth-Secret"  # noqa: S105  a header's name
# Headers that every client or proxy sends for a purpose of its own: one of them would name a user by accident, or let a
# client choose who it is.
OTHERS_HEADERS = frozenset(
    [
        "authorization",
        "proxy-authorization",
        "cookie",
        "host",
        "origin",
        "referer",
        "user-agent",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "content-type",
        "content-encoding",
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "date",
        "expect",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-prefix",
        "x-real-ip",
        "x-request-id",
        "idempotency-key",
        "last-event-id",
        "if-match",
        "if-none-match",
        "range",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-fetch-user",
    ]
)


@dataclass(frozen=True, slots=True)
class ProxyIdentity:
    """The asking user, as the server in front says."""

    username: str
    email: str | None
    display_name: str | None


class TrustedHeaderAuth:
    """Believes a server in front that authenticates: a reverse proxy with single sign-on, an API gateway.

    That server has to take the headers away from what clients send, and set them itself. A request that has the
    user's header and does not come from there is refused, and never taken for nobody's: it is an attack, or a
    proxy that is not configured, and both should be seen.

    Args:
        user_header: holds the username, in UTF-8.
        email_header, name_header: hold more about a user who is seen for the first time.
        proxies: addresses or networks that it connects from. The connection's own: `X-Forwarded-For` is not read.
        secret: what it sends in `secret_header`, at least 32 characters. With `proxies`, both have to fit.

    Raises:
        ConfigurationError: neither proxies nor a secret, or a short one: anybody could be anybody. Also where a header
            has another purpose, or the secret cannot be the value of one.
    """

    def __init__(
        self,
        user_header: str,
        *,
        email_header: str | None = None,
        name_header: str | None = None,
        proxies: Sequence[Network | str] = (),
        secret: str | None = None,
        secret_header: str = SECRET_HEADER,
    ) -> None:
        if not proxies and secret is None:
            raise ConfigurationError(
                f"{user_header} is believed from nobody yet: name the addresses of the server that sets it "
                "(CHATKEEP_AUTH_PROXIES) or a secret that it sends (CHATKEEP_AUTH_SECRET)."
            )
        _require_own_names(
            CHATKEEP_AUTH_USER_HEADER=user_header,
            CHATKEEP_AUTH_EMAIL_HEADER=email_header,
            CHATKEEP_AUTH_NAME_HEADER=name_header,
            CHATKEEP_AUTH_SECRET_HEADER=None if secret is None else secret_header,
        )
        if secret is not None:
            _require_sendable(secret)
        self.user_header = user_header
        self._email_header = email_header
        self._name_header = name_header
        self._proxies = [ipaddress.ip_network(each) if isinstance(each, str) else each for each in proxies]
        self._secret = None if secret is None else secret.encode()
        self._secret_header = secret_header

    def is_in(self, connection: HTTPConnection) -> bool:
        """Tell whether the request names a user at all."""
        return self.user_header in connection.headers

    def named(self, connection: HTTPConnection) -> ProxyIdentity | None:
        """Return the user whom the server in front names; None where it names nobody.

        Raises:
            UntrustedIdentity: somebody else names a user, or two are named: a header that was added to the client's.
            Invalid: a header is not UTF-8.
        """
        if not self.is_in(connection):
            return None
        if not self._is_from_front(connection):
            raise UntrustedIdentity(
                f"This request names a user in {self.user_header}, and does not come from the server that may do so."
            )
        username = _only(connection, self.user_header)
        if not username:
            return None
        return ProxyIdentity(username, _only(connection, self._email_header), _only(connection, self._name_header))

    def _is_from_front(self, connection: HTTPConnection) -> bool:
        if self._proxies and not is_within(peer_of(connection), self._proxies):
            return False
        return self._secret is None or self._sends_secret(connection, self._secret)

    def _sends_secret(self, connection: HTTPConnection, secret: bytes) -> bool:
        sent = connection.headers.getlist(self._secret_header)
        # In the same time whatever was sent: otherwise it could be guessed character by character.
        return len(sent) == 1 and hmac.compare_digest(sent[0].encode("latin-1"), secret)


def _require_own_names(**headers: str | None) -> None:
    taken: dict[str, str] = {}
    for setting, header in headers.items():
        if header is None:
            continue
        if header.lower() in OTHERS_HEADERS:
            raise ConfigurationError(f"{setting} cannot be {header}, which has another purpose: choose one of its own.")
        if other := taken.get(header.lower()):
            raise ConfigurationError(
                f"{setting} and {other} cannot be the same header: choose another for one of them."
            )
        taken[header.lower()] = setting


def _require_sendable(secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise ConfigurationError(
            "The secret of the server in front takes at least "
            f"{MIN_SECRET_CHARACTERS} characters: set a longer CHATKEEP_AUTH_SECRET here and there."
        )
    if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
        raise ConfigurationError(
            "CHATKEEP_AUTH_SECRET cannot be sent in a header: make it of letters, digits and signs of ASCII, without "
            "blanks at its ends."
        )


def _only(connection: HTTPConnection, header: str | None) -> str | None:
    values = connection.headers.getlist(header) if header is not None else []
    if len(values) > 1:
        raise UntrustedIdentity(f"{header} is there twice: the server in front has to replace it, not to add to it.")
    if not values:
        return None
    try:
        return values[0].encode("latin-1").decode() or None
    except UnicodeDecodeError:
        raise Invalid(f"{header} is not UTF-8.") from None
