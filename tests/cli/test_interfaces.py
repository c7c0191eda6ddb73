"""This machine's own addresses and names."""

import ipaddress
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from chatkeep.cli.interfaces import container_around, host_names, lan_addresses


def test_the_addresses_are_those_of_the_system() -> None:
    shown = subprocess.run(["hostname", "-I"], capture_output=True, check=True, text=True).stdout.split()
    found = lan_addresses(ipv6=True)
    assert set(found) <= {str(ipaddress.ip_address(address)) for address in shown}
    assert lan_addresses(ipv6=False) == [address for address in found if ":" not in address]
    assert found == sorted(found, key=lambda address: ":" in address)
    assert not any(ipaddress.ip_address(address).is_loopback for address in found)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("Box", ["box", "box.local"]),
        ("box.example.org", ["box.example.org"]),
        ("localhost", []),
        ("localhost.localdomain", []),
        ("3f2a9b7c01de", []),
        ("my box", []),
    ],
)
def test_the_names_that_a_network_may_know(monkeypatch: pytest.MonkeyPatch, name: str, names: list[str]) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert host_names() == names


def test_nothing_is_asked_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a name was looked up")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getfqdn", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    host_names()
    lan_addresses(ipv6=True)


ON_A_DISK = "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n23 26 0:21 / /proc rw,relatime - proc proc rw\n"
ON_LAYERS = "1063 780 0:52 / / rw,relatime master:289 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A\n"
SUBVOLUME = "1063 780 0:52 /subvolumes/4f0c / rw,relatime - btrfs /dev/sda2 rw,subvolid=312\n"
RESOLVER = "1071 1063 8:1 /etc/netns/vpn/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n"
OWN_NAMES = """1072 1063 8:1 /var/lib/docker/containers/3f2a/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
1073 1063 8:1 /var/lib/docker/containers/3f2a/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw
"""


@pytest.mark.parametrize(
    ("is_one", "mounts", "marks", "groups", "environment"),
    [
        (False, ON_A_DISK, [], "0::/user.slice/user-1000.slice/session-2.scope", {}),
        (False, ON_A_DISK, [".dockerenv"], "0::/", {}),
        (False, ON_A_DISK, [".dockerenv"], "0::/system.slice/docker.service", {"container": "yes"}),
        (False, ON_A_DISK + RESOLVER, ["run/.containerenv"], "0::/", {}),
        (False, ON_LAYERS, [], "0::/", {}),
        (False, "", [".dockerenv"], "", {}),
        (True, ON_LAYERS, [".dockerenv"], "0::/", {}),
        (True, ON_LAYERS, ["run/.containerenv"], "0::/", {}),
        (True, SUBVOLUME + OWN_NAMES, [".dockerenv"], "0::/", {}),
        (True, ON_LAYERS + OWN_NAMES, [], "0::/", {}),
        (True, SUBVOLUME, [".dockerenv"], f"4:memory:/docker/{'3f' * 32}", {}),
        (True, SUBVOLUME, [], f"0::/machine.slice/libpod-{'3f' * 32}.scope", {}),
        (True, ON_A_DISK, [], "0::/", {"container": "podman"}),
        (True, ON_A_DISK, [], "0::/", {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}),
    ],
)
def test_a_mark_that_a_container_left_behind_is_no_container(
    tmp_path: Path, is_one: bool, mounts: str, marks: list[str], groups: str, environment: Mapping[str, str]
) -> None:
    """A virtual machine may have the disk of a container's image, with its marks."""
    for name, text in (("proc/self/mountinfo", mounts), ("proc/self/cgroup", groups), *((mark, "") for mark in marks)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert container_around(environment, tmp_path) is is_one


def test_this_machines_own_mounts_are_read() -> None:
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/"], capture_output=True, check=True, text=True).stdout.strip()
    assert container_around({}, Path("/")) in ((True, False) if kind in ("overlayfs", "aufs") else (False,))
