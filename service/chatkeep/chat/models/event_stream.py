"""Server-sent events, taken out of the bytes of an answer as they come.

More is read than the standard allows where it does no harm: an event whose closing blank line never came, a field
`error`, and JSON on a line of its own, as an answer that is no stream has it.

Source: WHATWG HTML, Server-sent events, 9.2.6 Interpreting an event stream.
"""

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
# A picture may come as one event.
MAX_EVENT_BYTES = 16 * 1024 * 1024


class Event(NamedTuple):
    """One event.

    Args:
        name: of `event:`; "" where it has none.
        data: its lines, joined by newlines; UTF-8 whatever the header says, wrong bytes replaced.
        error: of `error:`, which some servers write in place of `data:`; None where there is none.
        bare: JSON that stood there without `data:`.
    """

    name: str = ""
    data: str = ""
    error: str | None = None
    bare: bool = False


class EventTooLong(Exception):
    """An event that does not end within MAX_EVENT_BYTES."""


class EventParser:
    """Cuts bytes into events. Lines end at CR, LF and CRLF alone."""

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._unfinished_bytes = 0
        self._begun = False
        self._after_cr = False
        self._reset()

    def _reset(self) -> None:
        self._name = ""
        self._data: list[bytes] = []
        self._error: bytes | None = None
        self._bare = False
        self._event_bytes = 0

    @property
    def read_nothing(self) -> bool:
        """Whether not one byte came."""
        return not self._begun

    def feed(self, received: bytes) -> list[Event]:
        """Return the events that are whole by now.

        Raises:
            EventTooLong: one is longer than this service reads.
        """
        self._begun = self._begun or bool(received)
        if self._after_cr and received:
            received = received.removeprefix(b"\n")
        if not received:
            return []
        if self._is_between_events and received.endswith(b"\n\n") and b"\r" not in received:  # as most do
            return [event for block in received[:-2].split(b"\n\n") for event in self._read_block(block)]
        self._after_cr = received.endswith(b"\r")
        if b"\n" not in received and b"\r" not in received:
            self._keep(received)
            return []
        lines = b"".join((*self._unfinished, received)).splitlines(keepends=True)
        self._unfinished.clear()
        self._unfinished_bytes = 0
        if not lines[-1].endswith((b"\n", b"\r")):
            self._keep(lines.pop())
        return [event for line in lines for event in self._read(line.rstrip(b"\r\n"))]

    @property
    def _is_between_events(self) -> bool:
        return not (self._unfinished or self._data or self._name or self._bare or self._error is not None)

    def _read_block(self, block: bytes) -> list[Event]:
        """Return the events of what stood before a blank line."""
        if block.startswith(b"data: ") and b"\n" not in block and len(block) <= MAX_EVENT_BYTES:
            return [Event(data=block[6:].decode("utf-8", "replace"))]
        return [event for line in (*block.split(b"\n"), b"") for event in self._read(line)]

    def finish(self) -> list[Event]:
        """Return the event whose end never came, if there is one."""
        last = b"".join(self._unfinished)
        self._unfinished.clear()
        return [*(self._read(last) if last else ()), *self._dispatch()]

    def _keep(self, part: bytes) -> None:
        self._unfinished.append(part)
        self._unfinished_bytes += len(part)
        if self._unfinished_bytes > MAX_EVENT_BYTES:
            raise EventTooLong

    def _read(self, line: bytes) -> list[Event]:
        """Take in a line; return the events that it ends."""
        line = line.removeprefix(BOM)
        if not line:
            return self._dispatch()
        self._event_bytes += len(line)
        if self._event_bytes > MAX_EVENT_BYTES:
            raise EventTooLong
        if self._bare or (line.startswith(b"{") and not self._data):
            return self._read_bare(line)
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":
            self._error = value
        return []

    def _read_bare(self, line: bytes) -> list[Event]:
        """One line may be a whole document, or the first of one that is spread over several."""
        whole = not self._bare and line.endswith(b"}")
        self._bare = True
        self._data.append(line)
        return self._dispatch() if whole else []

    def _dispatch(self) -> list[Event]:
        if not self._data and self._error is None and not self._name:
            self._event_bytes = 0
            return []
        error = None if self._error is None else self._error.decode("utf-8", "replace")
        event = Event(self._name, b"\n".join(self._data).decode("utf-8", "replace"), error, self._bare)
        self._reset()
        return [event]
