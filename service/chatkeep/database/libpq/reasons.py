"""Why a connection could not be opened, for people."""

import socket
import ssl
from collections.abc import Mapping

from asyncpg import InterfaceError, PostgresError
from asyncpg.exceptions import ConnectionDoesNotExistError

from chatkeep.errors import ChatkeepError

_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "there is no host of that name"),
    (ConnectionRefusedError, "nothing listens there"),
    (FileNotFoundError, "a socket or file that it names is not there"),
    (PermissionError, "this user may not use its socket"),
    (ssl.SSLError, "TLS could not be agreed on. See the server's log, sslmode and the certificates"),
    (
        ConnectionDoesNotExistError,
        "the server ended the connection at once: it is no PostgreSQL, or does not trust the client certificate",
    ),
    (ConnectionResetError, "the connection was cut off"),
    (TimeoutError, "it does not answer in time"),
)


class NotConnected(ConnectionError):
    """There is no connection; its text says why, for people."""


class TlsRefused(NotConnected):
    """The server does not speak TLS, and it was asked to."""

    def __init__(self, mode: str) -> None:
        super().__init__(f"it does not speak TLS, which sslmode={mode} asks for")


class UnusableCertificate(NotConnected):
    """A file of certificates cannot be used; says which."""


class UnsuitableServer(NotConnected):
    """The server answers, and is not of the kind that is wanted."""

    def __init__(self, attributes: str) -> None:
        super().__init__(f"it is not what target_session_attrs={attributes} asks for")


class NoHostAnswers(NotConnected):
    """None of several hosts took a connection; says of each why."""

    def __init__(self, failed: Mapping[str, Exception]) -> None:
        super().__init__("; ".join(f"{host}: {words_of(error)}" for host, error in failed.items()))
        self.failed = failed


def words_of(error: BaseException | None) -> str:
    """Return the reason, without a full stop. It never holds the address, whose password may be in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate does not prove that it is the right server: {error.verify_message.rstrip('.')} "
            "(sslrootcert names the authorities that are trusted)"
        )
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, ChatkeepError):
        return error.detail.rstrip(".")
    # PostgreSQL's own words, or ours: `database "chats" does not exist`.
    if isinstance(error, (PostgresError, InterfaceError, NotConnected)):
        return str(error).partition("\n")[0].rstrip(".")
    return "it does not answer"
