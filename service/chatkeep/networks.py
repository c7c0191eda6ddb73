"""Networks of proxies, as settings name them."""

import ipaddress
import re

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EXAMPLES = "Write addresses or networks such as 127.0.0.1, 10.0.0.0/8 or fd00::/8, with commas between them."


def parse_network(text: str) -> Network:
    """Return the network, of one address where no prefix is given.

    Raises:
        ValueError: no peer's address can be in it; says what to write instead.
    """
    address, separator, prefix = text.partition("/")
    plain = re.sub(r"%.*", "", address.removeprefix("[").removesuffix("]"))
    try:
        network = ipaddress.ip_network(f"{plain}{separator}{prefix}", strict=False)
    except ValueError:
        raise ValueError(_refusal(text)) from None
    if str(network.network_address) != str(ipaddress.ip_address(plain)):
        raise ValueError(f"{text!r} is an address in a network: write {network}, or {plain} for that one machine.")
    return _reachable(text, network)


def _reachable(text: str, network: Network) -> Network:
    """Peers are compared as what they are: IPv4 ones as IPv4, also where they come through an IPv6 socket."""
    if isinstance(network, ipaddress.IPv6Network) and (mapped := network.network_address.ipv4_mapped) is not None:
        length = network.prefixlen - 96
        if length >= 0:
            raise ValueError(f"{text!r} matches nothing: write {ipaddress.ip_network((mapped, length))}.")
    if network.network_address.is_unspecified and network.prefixlen == network.max_prefixlen:
        raise ValueError(f"{text!r} matches nothing: a proxy has an address of its own, such as 127.0.0.1.")
    return network


def _refusal(text: str) -> str:
    if text == "*":
        return "'*' would let every client claim any address. List the addresses of your proxies alone."
    if text.lower() == "localhost":
        return f"{text!r} is a name: write 127.0.0.1,::1."
    if with_port := re.fullmatch(r"([0-9.]+|\[[0-9a-fA-F:.]+\]):[0-9]+", text):
        return f"{text!r} has a port, which changes with every connection: write {with_port[1].strip('[]')}."
    return f"{re.sub(r'^.*@', '…@', text)!r} is neither an address nor a network. {EXAMPLES}"
