"""The hosts of an address: names, numbers and sockets, each with its port."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote

from chatkeep.database.libpq.sources import Value
from chatkeep.errors import ConfigurationError
from chatkeep.hosts import is_loopback

DEFAULT_PORT = 5432
MAX_HOSTS = 32
# Where the packages of Linux, the source and macOS put a server's socket.
SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp")  # noqa: S108

_PIECE = "It is not shown, since it may be a piece of a password: signs in that have to be percent-encoded."
_IMPOSSIBLE = re.compile(r"[\s@/?#%\\\x00-\x1f\x7f]|^\.")
_ZONE = re.compile(r"(?<=:)%\w+$|(?<=[0-9a-f])%\w+$", re.IGNORECASE)


@dataclass(frozen=True)
class Host:
    """One place to look for the server.

    Args:
        name: of a machine, a number of one, or the folder of a socket.
        number: connect there, and take `name` for what the certificate says; empty: look `name` up.
    """

    name: str
    port: int
    number: str = ""

    @property
    def socket(self) -> str | None:
        """The folder of its socket, where it is one."""
        return self.name if self.name.startswith("/") and not self.number else None

    @property
    def shown(self) -> str:
        return self.socket or self.in_address(with_port=True)

    def in_address(self, *, with_port: bool) -> str:
        """Return the host as it stands in a URI.

        Args:
            with_port: also the usual one; another always is there.
        """
        if self.socket:
            return quote(self.socket, safe="")
        name = self.name or self.number
        name = f"[{name}]" if ":" in name else name
        return f"{name}:{self.port}" if with_port or self.port != DEFAULT_PORT else name

    @property
    def is_on_this_machine(self) -> bool:
        """Whether only this machine answers there: a name but localhost may be anybody's."""
        return self.socket is not None or is_loopback(self.number or self.name)


class LastHost:
    """The host that took the last connection of this process, and its number: the next ones begin there.

    Otherwise each connection would first wait for a host that is down.
    """

    def __init__(self) -> None:
        self._host: Host | None = None
        self._number = ""

    def remember(self, host: Host, number: str) -> None:
        self._host, self._number = host, number

    def hosts_first(self, hosts: Sequence[Host]) -> list[Host]:
        """Return the hosts in their order, but for the remembered one."""
        return sorted(hosts, key=lambda each: each != self._host)

    def numbers_first(self, host: Host, numbers: Sequence[str]) -> list[str]:
        """Return the numbers of a host in their order, but for the remembered one."""
        return sorted(numbers, key=lambda each: (host, each) != (self._host, self._number))


def read_hosts(values: Mapping[str, Value]) -> tuple[Host, ...]:
    """Return the hosts in the order of the address; where it names none, the usual sockets and localhost.

    Raises:
        ConfigurationError: one is none, or there are more or fewer ports than hosts. Neither is shown.
    """
    names, numbers, ports = (_listed(values, name) for name in ("host", "hostaddr", "port"))
    count = max(len(names), len(numbers), 1)
    if count > MAX_HOSTS:
        raise ConfigurationError(f"{values['host' if names else 'hostaddr'].called} names more than {MAX_HOSTS} hosts.")
    if names and numbers and len(names) != len(numbers):
        raise ConfigurationError(f"{values['hostaddr'].called} names {len(numbers)} hosts, and host {len(names)}.")
    if len(ports) > 1 and len(ports) != count:
        raise ConfigurationError(f"{values['port'].called} names {len(ports)} ports for {count} hosts.")
    if len(ports) == 1:
        ports *= count
    found: list[Host] = []
    for name, number, port in zip_longest(names or [""], numbers, ports, fillvalue=""):
        found += _hosts(name, number, port, values)
    return tuple(found)


def is_default(hosts: tuple[Host, ...]) -> bool:
    return tuple(each.name for each in hosts) == (*SOCKET_FOLDERS, "localhost")


def _listed(values: Mapping[str, Value], name: str) -> list[str]:
    return [each.strip() for each in values[name].text.split(",")] if name in values else []


def _hosts(name: str, number: str, port_text: str, values: Mapping[str, Value]) -> list[Host]:
    """Return the hosts that one place in the lists stands for."""
    if not name.startswith("/") and name.count(":") == 1:
        name, _, port_text = name.partition(":")
    port = _port(port_text, values["port"].called if "port" in values else "A port of the address")
    if number:
        _require_number(number, values["hostaddr"].called)
    if name:
        _require_name(name, values["host"].called)
    if name or number:
        return [Host(name, port, number)]
    return [Host(folder, port) for folder in (*SOCKET_FOLDERS, "localhost")]


def _port(text: str, called: str) -> int:
    if not text:
        return DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{called} is not a port, which is a number from 1 to 65535. {_PIECE}")
    return int(text)


def _require_number(text: str, called: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConfigurationError(f"{called} is not an address such as 192.0.2.1 or 2001:db8::1.") from None


def _require_name(name: str, called: str) -> None:
    """Refuse what no look-up could take."""
    if name.startswith("@"):
        raise ConfigurationError(f"{called} names an abstract socket, which the driver does not take. Give its folder.")
    if name.startswith("/"):
        return
    try:
        name.encode("idna")
    except UnicodeError:  # of a length, or with signs, that no name has
        raise ConfigurationError(f"{called} holds something that is no host's name. {_PIECE}") from None
    if _IMPOSSIBLE.search(_ZONE.sub("", name)):
        raise ConfigurationError(f"{called} holds something that is no host's name. {_PIECE}")
