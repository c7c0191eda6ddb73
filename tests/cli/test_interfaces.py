"""This machine's own addresses and names."""

import ipaddress
import socket
import subprocess

import pytest

from service.cli.interfaces import host_names, lan_addresses


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
