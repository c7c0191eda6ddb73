"""Where a request comes from, and where it was sent to, when proxies stand between."""

import ipaddress
from collections.abc import Sequence

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"


def client_address(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return the address of the client.

    `X-Forwarded-For` is read from its end and only as far as the proxies that added to it are trusted: what a
    client writes there itself must not choose its own throttling counter.
    """
    address = peer_of(connection)
    hops = [hop.strip() for header in connection.headers.getlist("x-forwarded-for") for hop in header.split(",")]
    hops = [hop for hop in hops if hop]
    while is_within(address, trusted_proxies) and hops:
        nearest = _parsed(hops.pop())
        if nearest is None:
            break
        address = nearest
    return str(address or UNKNOWN)


def request_scheme(connection: HTTPConnection, trusted_proxies: Sequence[Network]) -> str:
    """Return `http` or `https` as the client sees it."""
    forwarded = connection.headers.get("x-forwarded-proto", "").lower()
    if forwarded in ("http", "https") and is_within(peer_of(connection), trusted_proxies):
        return forwarded
    return connection.url.scheme


def peer_of(connection: HTTPConnection) -> Address | None:
    """Return the address of whoever is at the other end of the connection, which a header cannot change."""
    return _parsed(connection.client.host) if connection.client else None


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks if network.version == address.version)


def _parsed(text: str) -> Address | None:
    """Return an address as it is compared and counted: an IPv4 one that came through an IPv6 socket is IPv4."""
    try:
        # Without its zone: that names an interface of ours, not the client.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
