"""Where a request comes from, and where it was sent to, when proxies stand between.

What proxies say about it is in headers that any client can send, too. Each is believed only where the connection
comes from a trusted proxy, and only as that one wrote it.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"
DEFAULT_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[^\s/:@?#\[\]]+)(?::([0-9]{1,5}))?")


class WebOrigin(NamedTuple):
    """A page's origin (RFC 6454). The port is always there: `https://host` and `https://host:443` are the same."""

    scheme: str
    host: str
    port: int


def client_address(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return the address of the client.

    `X-Forwarded-For` is read from its end and only as far as the proxies that added to it are trusted: what a
    client writes there itself must not choose its own throttling counter.
    """
    address = peer_of(connection)
    hops = [hop.strip() for header in connection.headers.getlist("x-forwarded-for") for hop in header.split(",")]
    hops = [hop for hop in hops if hop]
    while is_within(address, trusted_proxies) and hops:
        nearest = parse_address(hops.pop())
        if nearest is None:
            break
        address = nearest
    return str(address or UNKNOWN)


def request_scheme(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return `http` or `https` as the client sees it."""
    forwarded = (_forwarded(connection, "proto", trusted_proxies) or "").lower()
    return forwarded if forwarded in DEFAULT_PORTS else connection.url.scheme


def request_host(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return the host as the client sees it, with its port unless that is the scheme's own: `chat.example.org:8443`.

    Many proxies put the service's inner name into `Host`, and what the client asked for into `X-Forwarded-Host`.
    """
    host = _forwarded(connection, "host", trusted_proxies) or connection.headers.get("host", "")
    port = _forwarded(connection, "port", trusted_proxies) or ""
    if not port.isdecimal() or len(port) > 5 or re.search(r":\d+$", host):
        return host.lower()
    is_default = int(port) == DEFAULT_PORTS[request_scheme(connection, trusted_proxies)]
    return host.lower() if is_default else f"{host.lower()}:{port}"


def parse_origin(text: str) -> WebOrigin | None:
    """Return the origin that a browser names, or None for `null` and everything that is none."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return WebOrigin(scheme, host, int(port) if port else DEFAULT_PORTS[scheme])


def _forwarded(connection: HTTPConnection, name: str, trusted_proxies: Sequence[Network]) -> str | None:
    """Return the nearest proxy's word about the client's request: `X-Forwarded-…` before `Forwarded` (RFC 7239).

    Of a list, the last: the nearest proxy added it, and the ones before may be the client's own.
    """
    if not is_within(peer_of(connection), trusted_proxies):
        return None
    given = connection.headers.getlist(f"x-forwarded-{name}")
    if given:
        return given[-1].rpartition(",")[2].strip()
    last = ",".join(connection.headers.getlist("forwarded")).rpartition(",")[2]
    pairs = (part.strip().partition("=") for part in last.split(";"))
    return next((value.strip().strip('"') for key, _, value in pairs if key.strip().lower() == name), None)


def peer_of(connection: HTTPConnection) -> Address | None:
    """Return the address at the other end of the connection, which a header cannot change."""
    return parse_address(connection.client.host) if connection.client else None


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks if network.version == address.version)


def parse_address(text: str) -> Address | None:
    """Return an address as it is compared and counted: an IPv4 one that came through an IPv6 socket is IPv4."""
    try:
        # Without its zone: that names an interface of ours, not the client.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
