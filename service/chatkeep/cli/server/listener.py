"""The socket that the service listens on."""

import errno
import socket
from typing import Any

from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from chatkeep.hosts import to_url_host

MAX_PORT = 65535
PORTS_TRIED = 20
BACKLOG = 2048
# The part of an unread answer that the kernel holds; by itself Linux lets it grow to 4 MB a connection.
SEND_BUFFER_BYTES = 256 * 1024

_PORT = "Choose another with --port or CHATKEEP_PORT; 0 picks a free one."
_HOST = "Set --host or CHATKEEP_HOST to an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them."
_METRICS_HOST = "Set CHATKEEP_METRICS_HOST to an address of this machine, such as 127.0.0.1."
_ADVICE = {
    errno.EADDRINUSE: f"the port is taken. {_PORT}",
    errno.EACCES: f"only root, or a process with CAP_NET_BIND_SERVICE, may take a port below 1024. {_PORT}",
    errno.EADDRNOTAVAIL: f"this machine does not have that address. {_HOST}",
    errno.EAFNOSUPPORT: f"this machine has no IPv6. {_HOST}",
}


def open_listener(settings: Settings, *, may_move: bool) -> socket.socket:
    """Return a socket that listens.

    Args:
        may_move: take the next free port where one is taken.

    Raises:
        ConfigurationError: says what keeps it from listening, and which setting to change.
    """
    family, address = _address(settings.host)
    last = min(settings.port + PORTS_TRIED, MAX_PORT) if may_move and settings.port else settings.port
    for port in range(settings.port, last + 1):
        try:
            return _listening(family, address, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == last:
                raise ConfigurationError(_told(settings, error)) from error
    raise AssertionError("the last port returns or raises")


def open_metrics_listener(settings: Settings) -> socket.socket | None:
    """Return the socket for `/metrics` alone, or None where it is at the service's own port.

    Raises:
        ConfigurationError: says what keeps it from listening, and which setting to change.
    """
    if settings.metrics_port is None:
        return None
    try:
        return _listening(*_address(settings.metrics_host, _METRICS_HOST), settings.metrics_port)
    except OSError as error:
        place = f"{settings.metrics_host}:{settings.metrics_port}"
        raise ConfigurationError(
            f"Cannot listen on {place} for /metrics: {error.strerror}. Set CHATKEEP_METRICS_PORT to a free port and "
            "CHATKEEP_METRICS_HOST to an address of this machine."
        ) from error


def _address(host: str, advice: str = _HOST) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Return the socket address of that name; one of IPv4 where there are both. That of IPv6 holds its zone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):
        raise ConfigurationError(f"Cannot listen on {host!r}: there is no such host. {advice}") from None
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address


def _listening(family: socket.AddressFamily, address: tuple[Any, ...], port: int) -> socket.socket:
    # Said to be TCP: event loops turn Nagle's delay off only for a socket that says so.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Each connection that is accepted inherits it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((address[0], port, *address[2:]))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _told(settings: Settings, error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0, f"{error.strerror}. {_HOST}")
    return f"Cannot listen on {to_url_host(settings.host)}:{settings.port}: {advice}"
