"""Which networks proxies may be in, and what is said about those in which no proxy can be."""

import pytest

from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError


@pytest.mark.parametrize(
    ("entry", "network"),
    [
        ("127.0.0.1", "127.0.0.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("::1", "::1/128"),
        ("[::1]", "::1/128"),
        ("fd00::/8", "fd00::/8"),
        ("fe80::1%eth0", "fe80::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_addresses_and_networks(entry: str, network: str) -> None:
    settings = Settings.read(trusted_proxies=entry, auth_proxies=f"{entry},")
    assert [str(each) for each in settings.trusted_proxies] == [network]
    assert settings.auth_proxies == settings.trusted_proxies


@pytest.mark.parametrize(
    ("entry", "instead"),
    [
        ("*", "List the addresses of your proxies alone"),
        ("localhost", "write 127.0.0.1,::1"),
        ("nginx", "Write addresses or networks"),
        ("http://10.0.0.1", "Write addresses or networks"),
        ("10.0.0.1:8080", "write 10.0.0.1."),
        ("[::1]:8080", "write ::1."),
        ("10.0.0.1/8", "write 10.0.0.0/8, or 10.0.0.1 for that one machine"),
        ("fd00::1/8", "write fd00::/8, or fd00::1 for that one machine"),
        ("10.0.0.0/33", "Write addresses or networks"),
        ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        ("::ffff:10.0.0.1", "write 10.0.0.1/32"),
        ("0.0.0.0", "an address of its own"),
        ("::", "an address of its own"),
        ("someone:geheim@proxy", "Write addresses or networks"),
    ],
)
def test_a_network_without_any_proxy_is_refused_with_what_to_write(entry: str, instead: str) -> None:
    for name in ("trusted_proxies", "auth_proxies"):
        with pytest.raises(ConfigurationError) as refused:
            Settings.read(**{name: f"127.0.0.1,{entry}"})
        assert f"CHATKEEP_{name.upper()}: " in refused.value.detail
        assert instead in refused.value.detail
        assert "geheim" not in refused.value.detail
