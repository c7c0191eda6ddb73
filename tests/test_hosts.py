"""Which hosts, origins and addresses settings may name, and what is said about those that could never match."""

import pytest

from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from chatkeep.hosts import HostPattern, from_socket_address, parse_host_header, require_origin, to_url_host


@pytest.mark.parametrize(
    ("entry", "header", "matches"),
    [
        ("chat.lan", "chat.lan", True),
        ("Chat.LAN.", "chat.lan:8000", True),
        ("chat.lan", "CHAT.lan.:8000", True),
        ("chat.lan", "chat.lan:", True),
        ("chat.lan", "xchat.lan", False),
        ("my_app", "my_app:8000", True),
        ("chat.lan:8000", "chat.lan:8000", True),
        ("chat.lan:8000", "chat.lan:8001", False),
        ("chat.lan:8000", "chat.lan", False),
        ("chat.lan:443", "chat.lan", True),
        ("chat.lan:80", "chat.lan", True),
        ("*.lan", "chat.lan", True),
        ("*.lan", "a.chat.lan:8000", True),
        ("*.lan", "lan", False),
        ("*.lan", "evillan", False),
        ("*.lan", "chat.lan.evil.example", False),
        ("*.lan:8000", "chat.lan:9000", False),
        ("*", "anything.example:1", True),
        ("*:8000", "anything.example", False),
        ("192.168.1.20", "192.168.1.20:8000", True),
        ("192.168.1.20", "192.168.1.21", False),
        ("::1", "[::1]:8000", True),
        ("[::1]", "[0:0:0:0:0:0:0:1]", True),
        ("[::1]:8000", "[::1]:8000", True),
        ("[::1]:8000", "[::1]:9000", False),
        ("fe80::1%eth0", "[fe80::1]:8000", True),
        ("[fe80::1%25eth0]", "[fe80::1%25eth0]:8000", True),
        ("[FE80::1]", "[fe80::2]", False),
    ],
)
def test_an_entry_allows_the_hosts_that_it_says(entry: str, header: str, matches: bool) -> None:
    (allowed,) = Settings.read(allowed_hosts=entry).allowed_hosts
    host = parse_host_header(header)
    assert host is not None
    assert HostPattern.parse(allowed).matches(*host) is matches


@pytest.mark.parametrize(
    "header",
    [
        *("", ":8000", "a b", "user@chat.lan", "chat.lan/x", "chat.lan:80x", "chat.lan:0", "chat.lan:65536", "a..b"),
        *("<script>", "chat.lan,evil.example", "[::1", "::1]", "[::1]x", "bücher.example", "a" * 300, "1.2.3", "a\n"),
        *('"chat.lan"', "chat.lan'", "a&b", "%63hat.lan"),
    ],
)
def test_anything_else_is_no_host(header: str) -> None:
    assert parse_host_header(header) is None


@pytest.mark.parametrize(
    ("entry", "instead"),
    [
        ("http://chat.lan", "Write chat.lan."),
        ("https://chat.lan:8443/path?x", "Write chat.lan:8443."),
        ("chat.lan/", "Write chat.lan."),
        ("https://", "chat.example.org, *.example.org"),
        ("someone:geheim@chat.lan", "Write chat.lan."),
        ("chat.lan wiki.lan", "with commas between them"),
        ("'chat.lan'", "with commas between them"),
        ('["chat.lan"]', "IPv6 address"),
        ("bücher.example", "browsers send xn--bcher-kva.example"),
        ("*.チャット.jp", "browsers send xn--7ckep0i.jp"),
        ("chat.lan:", "port between 1 and 65535"),
        ("chat.lan:0", "port between 1 and 65535"),
        ("chat.lan:65536", "port between 1 and 65535"),
        ("chat.lan:http", "port between 1 and 65535"),
        (".example.org", "write *.example.org for the names below it, example.org for itself"),
        ("chat.*", "as in *.example.org"),
        ("*chat.lan", "as in *.example.org"),
        ("*.192.168.1.20", "Write 192.168.1.20."),
        ("192.168.1", "four numbers"),
        ("192.168.1.300", "four numbers"),
        ("192.168.1.0x14", "four numbers"),
        ("192.168.1.0/24", "list each"),
        ("fd00::/64", "list each"),
        ("chat..lan", "not the name of a host"),
        ("[::1", "IPv6 address"),
        ("[::1]x", "not the name of a host"),
        ("a" * 64, "not the name of a host"),
    ],
)
def test_a_host_that_can_never_match_is_refused_with_what_to_write(entry: str, instead: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.read(allowed_hosts=f"good.example,{entry}")
    assert "CHATKEEP_ALLOWED_HOSTS: " in refused.value.detail
    assert instead in refused.value.detail
    assert "geheim" not in refused.value.detail


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("https://chat.example.org", "https://chat.example.org"),
        ("HTTPS://Chat.Example.org:443", "https://chat.example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://chat.lan:80", "http://chat.lan"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_kept_as_a_browser_sends_it(entry: str, origin: str) -> None:
    assert Settings.read(allowed_origins=entry).allowed_origins == (origin,)
    assert require_origin(origin) == origin


@pytest.mark.parametrize(
    ("entry", "instead"),
    [
        ("chat.example.org", "not an origin such as https://chat.example.org"),
        ("*", "not an origin such as"),
        ("null", "not an origin such as"),
        ("https://", "not an origin such as"),
        ("https://*.example.org", "List each origin"),
        ("https://chat.example.org/", "write https://chat.example.org."),
        ("https://chat.example.org/app?x#y", "write https://chat.example.org."),
        ("https://someone:geheim@chat.example.org", "write https://chat.example.org."),
        ("https://bücher.example", "browsers send xn--bcher-kva.example"),
        ("https://chat.example.org:99999", "port between 1 and 65535"),
        ("https://a.example https://b.example", "write commas between origins"),
    ],
)
def test_an_origin_that_can_never_match_is_refused_with_what_to_write(entry: str, instead: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.read(allowed_origins=entry)
    assert "CHATKEEP_ALLOWED_ORIGINS: " in refused.value.detail
    assert instead in refused.value.detail
    assert "geheim" not in refused.value.detail


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[fe80::1%25eth0]", "fe80::1%eth0"),
        ("chat.lan", "chat.lan"),
    ],
)
def test_an_address_to_listen_on(given: str, host: str) -> None:
    assert Settings.read(host=given).host == host


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("*", "write 0.0.0.0"),
        ("0.0.0.0:8000", "write 0.0.0.0 here, and 8000 in CHATKEEP_PORT"),
        ("[::]:8000", "write [::] here, and 8000 in CHATKEEP_PORT"),
        ("http://0.0.0.0", "Write 0.0.0.0."),
        ("300.0.0.1", "four numbers"),
        ("", "not the name of a host"),
    ],
)
def test_nothing_listens_on_anything_else(given: str, instead: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.read(host=given)
    assert "CHATKEEP_HOST: " in refused.value.detail
    assert instead in refused.value.detail


def test_hosts_of_sockets_and_of_addresses() -> None:
    assert from_socket_address("127.0.0.1") == "127.0.0.1"
    assert from_socket_address("::ffff:192.168.1.20") == "192.168.1.20"
    assert from_socket_address("fe80::1%eth0") == "[fe80::1]"
    assert from_socket_address("/run/chatkeep.socket") == "/run/chatkeep.socket"
    assert to_url_host("127.0.0.1") == "127.0.0.1"
    assert to_url_host("::1") == "[::1]"
    assert to_url_host("fe80::1%eth0") == "[fe80::1%25eth0]"
