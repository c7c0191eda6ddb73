"""HTTP on one connection, within limits: uvicorn's protocol on httptools, with a count of what goes into the parser.

The parser itself has no limits. It keeps a header until its end, and adds to it by copying: 48 MB of one header cost
seconds of the event loop. Nothing in it ends a connection that sends a byte a minute.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from chatkeep.connections.body_count import BodyCount
from chatkeep.connections.breakable import BreakableProtocol
from chatkeep.connections.door import Door
from chatkeep.connections.head import MAX_HEAD_BYTES, BadHead, check_head
from chatkeep.connections.refusal import refusal
from chatkeep.http.transports import reset

# Requests that wait for the answers before theirs; no browser sends one.
MAX_PIPELINED = 16
# Of a body: slower than any line that a person would wait for.
MIN_BODY_BYTES_PER_SECOND = 512
# Of a body that nobody reads any more, for the connection to be used again.
MAX_IGNORED_BYTES = 1024 * 1024
# How much, and how long, is read on after a refusal: a connection that is closed with unread bytes loses the answer.
MAX_LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 2.0


class GuardedProtocol(BreakableProtocol):
    """One connection.

    Args:
        door: where it is counted, and the limits.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door, self._limits = door, door.limits
        self._place: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        # Refused: what still comes is read and forgotten.
        self._deaf = False
        self._in_head, self._begun = True, False
        self._ended = 0
        self._head_bytes = self._ignored_bytes = self._unsent_bytes = 0
        self._body = BodyCount()

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._place, refused = self._door.enter(self._host)
        if refused is not None:
            self._refuse(refused)
        else:
            self._start_timer(self._limits.head_seconds, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._door.leave(self._place)
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            _disconnect(self._running)  # uvicorn tells only the last of several requests

    @property
    def _host(self) -> str | None:
        return self.client[0] if self.client else None

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        super().handle_websocket_upgrade()
        # Another protocol has the connection from here on, and only that one hears of its end.
        successor = self.transport.get_protocol()
        lost = successor.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self._door.leave(self._place)
            lost(exc)

        successor.connection_lost = connection_lost  # type: ignore[method-assign]  # of this one object

    # Bytes

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._ignore(len(data), MAX_LINGER_BYTES)
            return
        self._unset_keepalive_if_required()
        while data and not self._deaf:
            # The first bytes alone, so that no more than the limit is ever looked at.
            part = data[: MAX_HEAD_BYTES - self._head_bytes] if self._in_head else data
            if not part:
                self._refuse("head_too_large")
                return
            data = data[len(part) :]
            self._feed(part)
        if not self._deaf:
            self._keep_time()

    def _feed(self, part: bytes) -> None:
        ended = self._ended
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            self._deaf = True
        except httptools.HttpParserError as error:
            self._refuse_unreadable(error)
        if self._deaf:
            return  # one refusal is enough
        if not self._in_head:
            self._count_body(len(part))
        elif self._ended == ended:
            self._head_bytes += len(part)
        else:
            self._head_bytes = 0  # of the next one, only what came with the end of the last: less than was read at once

    def _count_body(self, size: int) -> None:
        if not self._body.add_read(size):
            self._refuse("bad_request", "The pieces of the body have more around them than in them.")
        elif self.cycle is not None and self.cycle.response_complete:
            self._ignore(size, MAX_IGNORED_BYTES)

    def _ignore(self, size: int, max_bytes: int) -> None:
        self._ignored_bytes += size
        if self._ignored_bytes <= max_bytes:
            return
        if self._deaf:
            self.transport.abort()
        else:
            self._linger()

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        check_head(self.url, self.parser.get_http_version(), self.headers)
        self._check_upgrade()
        self._stop_timer()
        self._in_head = False
        self._head_bytes = self._ignored_bytes = 0
        self._body = BodyCount()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            if self.cycle is not None:
                self.cycle.keep_alive = False  # the parser reads no further
            return
        # Fields after a body are added to a list of their own: a client's X-Forwarded-User there is nobody's word.
        self.headers = []
        if len(self.pipeline) > MAX_PIPELINED:
            raise BadHead("bad_request", f"At most {MAX_PIPELINED} requests may wait on one connection.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._body.add_trailer(len(name) + len(value), len(self.headers))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body.add_piece(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._in_head, self._begun = True, False
        self._ended += 1
        super().on_message_complete()

    def _check_upgrade(self) -> None:
        if not self.parser.should_upgrade():
            return
        has_body = any(
            name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers
        )
        if self.parser.get_method() == b"CONNECT" or has_body or self._is_answering():
            raise BadHead("bad_request", "The protocol cannot be changed here. Send the request without Upgrade.")

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked; a line for each would be the client's to fill the log."""

    # Answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_timer(self.timeout_keep_alive, self._flush_late)
        elif not self._deaf:
            self._keep_time()

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # Time

    def _keep_time(self) -> None:
        """Start the clock for whatever has begun and not ended; nothing as a rule, since most requests come at once."""
        if self._timer is not None:
            return
        if not self._in_head:
            self._start_timer(self._limits.body_seconds, self._body_late, self._body.body_bytes)
        elif self._is_answering():
            return  # the answer before it takes as long as it takes
        elif self._begun:
            self._start_timer(self._limits.head_seconds, self._head_late)
        elif self._head_bytes:
            self._start_timer(self.timeout_keep_alive, self._head_late)  # empty lines, which some clients add

    def _start_timer(self, seconds: float, late: Any, *arguments: Any) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, late, *arguments)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_late(self) -> None:
        self._timer = None
        if self._is_answering():
            return
        if self._begun:
            self._refuse("request_timeout")
        else:
            self.timeout_keep_alive_handler()  # nothing was asked, so nothing is answered

    def _body_late(self, bytes_then: int) -> None:
        self._timer = None
        enough = MIN_BODY_BYTES_PER_SECOND * self._limits.body_seconds
        if self.cycle.response_complete:
            self._linger()
        elif self._body.body_bytes - bytes_then >= enough or self._waits_for_us():
            self._keep_time()
        else:
            self._refuse("request_timeout")

    def _waits_for_us(self) -> bool:
        """Tell whether it is this service that does not read: an import that waits for its turn."""
        cycle = self.cycle
        return self.flow.read_paused or cycle.waiting_for_100_continue or bool(cycle.body) or cycle is not self._running

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._flush_late()

    def _flush_late(self) -> None:
        """Close the connection, but wait for a client that still reads its answer, however slowly."""
        unsent, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
        if not self._unsent_bytes:
            self.transport.close()
        elif self._unsent_bytes == unsent:
            reset(self.transport)
        else:
            self._start_timer(self.timeout_keep_alive, self._flush_late)

    # Refusals

    def _refuse_unreadable(self, error: httptools.HttpParserError) -> None:
        found = error.__context__  # of a callback here, which the parser passes on
        if isinstance(found, BadHead):
            self._refuse(found.code, found.detail)
        elif isinstance(error, httptools.HttpParserCallbackError):
            self._refuse("bad_request")
        else:
            self._refuse("bad_request", f"This is not HTTP as it is written: {error}.")

    def _refuse(self, code: str, detail: str | None = None) -> None:
        """Answer with a problem and close the connection, without a word inside of another answer."""
        self._deaf = True
        self._ignored_bytes = 0
        self._stop_timer()
        self._door.refused(code, self._host, detail or code)
        if self._is_answering() and not self._give_way():
            return
        self.transport.write(refusal(code, detail))
        if code == "connections_exhausted":
            self.transport.close()
        else:
            self._linger()

    def _give_way(self) -> bool:
        """Have the requests that were whole answered, and take the one that is not from the application.

        Returns:
            Whether the refusal can be its answer.
        """
        if self._in_head or self.cycle is not self._running:
            if not self._in_head and self.pipeline:
                self.pipeline.popleft()
            last = self.pipeline[0][0] if self.pipeline else self._running
            assert last is not None  # noqa: S101  something is being answered
            last.keep_alive = False
            return False
        _disconnect(self.cycle)
        if self.cycle.response_started:
            self.transport.abort()
            return False
        return True

    def _linger(self) -> None:
        self._deaf = True
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self._start_timer(LINGER_SECONDS, self.transport.abort)


def _disconnect(cycle: RequestResponseCycle) -> None:
    cycle.disconnected = True
    cycle.message_event.set()
