"""The end of a connection whose client has not read, or may not read, what it was sent."""

import array
import asyncio
import socket
import struct
from contextlib import suppress

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ  # of a socket, Linux calls it SIOCOUTQ
except ImportError:  # not on every system
    ioctl = None  # type: ignore[assignment]

# Wait 0 seconds for the client: what it has not been sent is forgotten, and it gets a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


def holds_unread(transport: asyncio.WriteTransport) -> bool:
    """Tell whether the client has yet to take a part of what was written, from here or from the kernel."""
    if transport.get_write_buffer_size():
        return True
    # The number of a closed socket may be another connection's by now.
    return not transport.is_closing() and _kernel_holds_unread(transport)


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection, and what the kernel holds of it.

    A socket that is only closed leaves its send buffer to the kernel, which goes on delivering it: a client that
    lost the right to an answer could read megabytes of it at any time later.
    """
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):  # ended already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _kernel_holds_unread(transport: asyncio.WriteTransport) -> bool:
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or ioctl is None:
        return True
    unsent = array.array("i", [0])
    try:
        ioctl(connection.fileno(), TIOCOUTQ, unsent)
    except OSError:
        return True  # not known is not read
    return unsent[0] > 0
