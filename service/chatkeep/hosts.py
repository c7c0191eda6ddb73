"""Hosts as settings, `Host` headers and addresses of pages name them: read in one place, and written in one way.

A host is a name in lower case, an IPv4 address, or an IPv6 address in brackets without its zone: `chat.example.org`,
`192.168.1.20`, `[fe80::1]`. That is how a browser sends it.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import idna

MAX_NAME_LENGTH = 253
MAX_LABEL_LENGTH = 63
MAX_PORT = 65535
MAX_HEADER_LENGTH = MAX_NAME_LENGTH + len(".:65535")
# A `Host` header without a port is on one of them: which one, a proxy in front may not tell.
DEFAULT_PORTS = {"http": 80, "https": 443}
ANY = "*"
EXAMPLES = "Write names such as chat.example.org, *.example.org, 192.168.1.20 or [::1], with commas between them."

# With an underscore: container networks have names such as my_app.
_LABEL = re.compile(r"[a-z0-9_-]+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Hosts that the service answers to.

    Args:
        host: a host, `*` for all of them, or `*.name` for every name below another.
        port: the only port; None allows all of them.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern that `text` stands for.

        Raises:
            ValueError: no `Host` header can match; says what to write instead.
        """
        _refuse_url(text)
        host, port = _split_port(text)
        if host == ANY:
            return cls(host, port)
        if host.startswith("."):
            raise ValueError(f"{text!r} matches nothing: write *{host} for the names below it, {host[1:]} for itself.")
        below = host.removeprefix("*.")
        if "*" in below:
            raise ValueError(f"{text!r} matches nothing: a * stands alone, or at the beginning, as in *.example.org.")
        parsed = parse_host(below)
        if below != host and is_address(parsed):
            raise ValueError(f"{text!r} matches nothing: an address has no names below it. Write {below}.")
        return cls(parsed if below == host else f"*.{parsed}", port)

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def matches(self, host: str, port: int | None) -> bool:
        if (
            self.port is not None
            and self.port != port
            and (port is not None or self.port not in DEFAULT_PORTS.values())
        ):
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return self.host in (ANY, host)


def parse_host(text: str) -> str:
    """Return a host as a browser sends it.

    Raises:
        ValueError: a browser never sends that; says what to write instead.
    """
    if text.startswith("[") or ":" in text:
        return _parse_ipv6(text)
    name = text.removesuffix(".").lower()
    _refuse_unicode(name)
    labels = name.split(".")
    if len(name) > MAX_NAME_LENGTH or not all(_is_label(label) for label in labels):
        raise ValueError(f"{text!r} is not the name of a host. {EXAMPLES}")
    # Source: WHATWG URL Standard, 3.5: a host that ends in a number is an IPv4 address.
    if _NUMBER.fullmatch(labels[-1]):
        return _parse_ipv4(name)
    return name


def parse_host_header(header: str) -> tuple[str, int | None] | None:
    """Return host and port of a `Host` header; None where it is not one."""
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        return None
    try:
        host, port = _split_port(header.removesuffix(":"))
        return parse_host(host), port
    except ValueError:
        return None


def parse_listen_host(text: str) -> str:
    """Return the address or name to listen on, an IPv6 address without brackets and with its zone.

    Raises:
        ValueError: nothing can listen there; says what to write instead.
    """
    _refuse_url(text)
    if text == ANY:
        raise ValueError("'*' is not an address: write 0.0.0.0 for every IPv4 address, or :: for IPv6, too.")
    host, port = _split_port(text)
    if port is not None:
        raise ValueError(f"{text!r} has a port in it: write {host} here, and {port} in CHATKEEP_PORT (--port).")
    parse_host(host)
    return host.removeprefix("[").removesuffix("]").replace("%25", "%")


def require_origin(text: str) -> str:
    """Return an origin as a browser sends it: without a path, and without its scheme's own port.

    Raises:
        ValueError: no `Origin` header can match; says what to write instead.
    """
    refusal = f"{_without_user(text)!r} is not an origin such as https://chat.example.org"
    if any(character.isspace() for character in text):
        raise ValueError(f"{refusal}: write commas between origins.")
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS or not rest:
        raise ValueError(f"{refusal}.")
    authority = re.split(r"[/?#]", rest)[0].rpartition("@")[2]
    if authority != rest:
        raise ValueError(f"{refusal}: write {scheme}://{authority}.")
    if "*" in rest:
        raise ValueError(f"{refusal}: its pages use the service with the user's cookie. List each origin.")
    host, port = _split_port(rest)
    host = parse_host(host)
    return f"{scheme}://{host}" if port in (None, DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def to_url_host(host: str) -> str:
    """Return a host for an address of a page or for messages: IPv6 in brackets, its zone as RFC 6874 has it."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def is_address(host: str) -> bool:
    """Tell an address, in brackets or without, from a name."""
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def from_socket_address(address: str) -> str:
    """Return the host of a socket's own address; an IPv4 one that comes through an IPv6 socket is IPv4."""
    plain = address.partition("%")[0]
    try:
        parsed = ipaddress.ip_address(plain)
    except ValueError:
        return plain.lower()
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped) if parsed.ipv4_mapped is not None else f"[{parsed}]"
    return str(parsed)


def _split_port(text: str) -> tuple[str, int | None]:
    """Return host and port; without brackets, several colons are an IPv6 address alone."""
    if text.startswith("[") and "]" in text:
        host, _, rest = text.partition("]")
        host, separator, port = f"{host}]", rest[:1], rest[1:]
        if rest and separator != ":":
            raise ValueError(f"{text!r} is not the name of a host. {EXAMPLES}")
    elif text.count(":") == 1:
        host, separator, port = text.partition(":")
    else:
        return text, None
    if not separator:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"{text!r} has no port between 1 and {MAX_PORT} after its colon.")
    return host, int(port)


def _is_label(label: str) -> bool:
    return len(label) <= MAX_LABEL_LENGTH and _LABEL.fullmatch(label) is not None


def _parse_ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address: four numbers from 0 to 255, as in 192.168.1.20.") from None


def _parse_ipv6(text: str) -> str:
    inside = text.removeprefix("[").removesuffix("]") if text.startswith("[") == text.endswith("]") else text
    try:
        # Without its zone: that names an interface of one machine, and browsers do not send it.
        address = ipaddress.IPv6Address(inside.partition("%")[0])
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address such as [2001:db8::1]. {EXAMPLES}") from None
    return f"[{address}]"


def _refuse_url(text: str) -> None:
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is not the name of a host. {EXAMPLES}")
    if not re.search(r"[/?#@]", text):
        return
    if _is_network(text):
        raise ValueError(f"{text!r} is a network, and a browser names one address: list each of them.")
    authority = urlsplit(text if "://" in text else f"//{text}").netloc.rpartition("@")[2]
    instead = f"Write {authority}." if authority else EXAMPLES
    raise ValueError(f"{_without_user(text)!r} has more in it than the name of a host. {instead}")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _without_user(text: str) -> str:
    """Leave out what may be a password."""
    return re.sub(r"(?:(?<=//)|^)[^/]*@", "…@", text)


def _refuse_unicode(name: str) -> None:
    if name.isascii():
        return
    try:
        encoded = idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(f"{name!r} is not the name of a host. {EXAMPLES}") from None
    raise ValueError(f"{name!r} matches nothing: browsers send {encoded}. Write that.")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches that host: a name but localhost may be anybody."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
