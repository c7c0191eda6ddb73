"""Where the service listens, and what it says where it cannot."""

import socket

import pytest

from chatkeep.cli.server.listener import SEND_BUFFER_BYTES, open_listener
from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from tests.cli.command_runner import Command


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("no-such-host.invalid", "there is no such host"),
        ("198.51.100.7", "this machine does not have that address"),
        (f"{'x' * 80}.example", "is not the name of a host"),
        (" ", "is not the name of a host"),
        ("[::2]", "this machine does not have that address"),
    ],
)
async def test_a_host_that_is_not_here_is_one_sentence(chatkeep: Command, host: str, part: str) -> None:
    ran = await chatkeep("serve", "--host", host, "--port", "0")
    assert ran.code == 1
    assert part in ran.err
    assert "CHATKEEP_HOST" in ran.err


async def test_no_host_is_not_every_host(chatkeep: Command) -> None:
    """An empty name would be all addresses of the machine."""
    ran = await chatkeep("serve", "--host", "", "--port", "0")
    assert ran.code == 1
    assert "CHATKEEP_HOST" in ran.err


def test_a_taken_port_is_refused_or_moved_from() -> None:
    with open_listener(Settings.read(host="127.0.0.1", port=0), may_move=False) as first:
        port = first.getsockname()[1]
        settings = Settings.read(host="127.0.0.1", port=port)
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: the port is taken. Choose another"):
            open_listener(settings, may_move=False)
        with open_listener(settings, may_move=True) as second:
            assert second.getsockname()[1] > port


def test_the_last_port_has_none_after_it() -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 65535))
        except OSError:
            pytest.skip("somebody uses the last port")
        taken.listen()
        with pytest.raises(ConfigurationError, match="the port is taken"):
            open_listener(Settings.read(port=65535), may_move=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"])
def test_it_listens_on_names_and_on_both_kinds_of_addresses(host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = open_listener(Settings.read(host=host, port=0), may_move=False)
    except ConfigurationError as error:
        assert ":" in host
        pytest.skip(error.detail)
    with listener, socket.create_connection((("::1" if ":" in host else "127.0.0.1"), listener.getsockname()[1])):
        assert listener.proto == socket.IPPROTO_TCP
        assert not listener.get_inheritable()


def test_the_kernel_holds_little_of_an_answer_that_is_not_read() -> None:
    listener = open_listener(Settings.read(host="127.0.0.1", port=0), may_move=False)
    with listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        # Linux doubles it, for what it keeps beside the bytes.
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER_BYTES
