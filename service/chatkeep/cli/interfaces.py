"""The addresses and names that this machine has, as it knows them itself: nothing is asked over the network."""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from chatkeep.hosts import is_address, parse_host

# Networks between containers and virtual machines on this machine: nobody else is on them.
_INTERNAL = ("br-", "cali", "cni", "docker", "flannel", "lxc", "lxd", "podman", "veth", "virbr", "vmnet")
# The name that Docker and Podman make up for a container.
_CONTAINER_ID = re.compile("[0-9a-f]{12}")
# Values of `container` in the environment: of those whose containers have addresses of their own.
_RUNTIMES = ("docker", "oci", "podman")
_MARKS = (".dockerenv", "run/.containerenv")
# Every runtime that gives a container its own network mounts these over the image's.
_MOUNTED_FILES = frozenset({"/etc/hostname", "/etc/hosts"})
_OVERLAYS = ("overlay", "aufs", "fuse.fuse-overlayfs")
_CONTAINER_GROUP = re.compile(r"[0-9a-f]{64}")


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
    return container_around(os.environ, Path("/"))


def container_around(environment: Mapping[str, str], root: Path) -> bool:
    """Tell whether a process with this environment and this root folder runs in a container.

    A file such as `/.dockerenv` is not enough: a virtual machine whose disk was made from a container's image has it,
    too.

    Source: proc(5), /proc/pid/mountinfo; cgroups(7), /proc/pid/cgroup.
    """
    if "KUBERNETES_SERVICE_HOST" in environment or environment.get("container") in _RUNTIMES:
        return True
    mounts = _mounts(_text_of(root / "proc/self/mountinfo"))
    if mounts.keys() >= _MOUNTED_FILES or _CONTAINER_GROUP.search(_text_of(root / "proc/self/cgroup")):
        return True
    return mounts.get("/") in _OVERLAYS and any((root / mark).exists() for mark in _MARKS)


def _mounts(mountinfo: str) -> dict[str, str]:
    """Return the kind of file system at each place; of several at one place, the one on top."""
    found = {}
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        found[mount.split(" ")[4]] = file_system.partition(" ")[0]
    return found


def _text_of(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # no Linux, or hidden
        return ""


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
