"""The addresses and names that this machine has, as it knows them itself: nothing is asked over the network."""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from service.hosts import is_address, parse_host

# Networks between containers and virtual machines on this machine: nobody else is on them.
_INTERNAL = ("br-", "cali", "cni", "docker", "flannel", "lxc", "lxd", "podman", "veth", "virbr", "vmnet")
# The name that Docker and Podman make up for a container.
_CONTAINER_ID = re.compile("[0-9a-f]{12}")
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def lan_addresses(*, ipv6: bool) -> list[str]:
    """Return the addresses at which other machines may reach this one, IPv4 first; `ipv6`: those, too."""
    try:
        found = list(_addresses())
    except OSError:  # a sandbox that hides its interfaces
        return []
    versions = (4, 6) if ipv6 else (4,)
    return [str(address) for version in versions for address in found if address.version == version]


def host_names() -> list[str]:
    """Return the names by which a local network may know this machine: its own, and the same in multicast DNS."""
    try:
        name = parse_host(socket.gethostname())
    except ValueError:
        return []
    if is_address(name) or name.partition(".")[0] == "localhost" or _CONTAINER_ID.fullmatch(name):
        return []
    return [name] if "." in name else [name, f"{name}.local"]


def in_container() -> bool:
    """Tell whether the addresses of this machine are a container's, which people do not open."""
    return "KUBERNETES_SERVICE_HOST" in os.environ or any(mark.exists() for mark in _CONTAINER_MARKS)


def _addresses() -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    states = psutil.net_if_stats()
    for name, entries in psutil.net_if_addrs().items():
        if name.startswith(_INTERNAL) or name not in states or not states[name].isup:
            continue
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(entry.address.partition("%")[0])
                if not address.is_loopback and not address.is_link_local:
                    yield address
