"""An answer of a model server while it comes in: bytes to pieces, with patience."""

import asyncio
from contextlib import suppress

import aiohttp

from chatkeep.chat.models.errors import ModelBadAnswer, ModelError
from chatkeep.chat.models.event_stream import Event, EventParser, EventTooLong
from chatkeep.chat.models.openai_connection import BROKEN_CONNECTION, Silence
from chatkeep.chat.models.openai_errors import NO_STREAM, Failures
from chatkeep.chat.models.openai_reply import ReplyReader
from chatkeep.chat.models.pieces import Piece

# After `finish_reason` only the usage and [DONE] may follow; nobody is kept waiting for a server without.
LAST_WORDS_SECONDS = 5.0
# A connection can be used again only once its answer was read to the end, which comes with [DONE] or not soon.
END_SECONDS = 0.1


class ReplyStream:
    """The pieces of one answer.

    Args:
        first_seconds: for how long nothing may come before the first piece; any byte is a sign of life.
        next_seconds: for how long nothing may come after it.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, failures: Failures, *, first_seconds: float, next_seconds: float
    ) -> None:
        self._response = response
        self._failures = failures
        self._wait_seconds = first_seconds
        self._next_seconds = next_seconds
        self._silence = Silence(response.content)
        self._parser = EventParser()
        self._reply = ReplyReader(failures.of_report)
        self._last_words_until: float | None = None
        self._failure: ModelError | None = None
        self._ended = False

    async def read(self) -> list[Piece]:
        """Return the pieces that came next, or none at the end.

        Raises:
            ModelError: what was returned before stands.
        """
        if self._failure is not None:
            raise self._failure
        pieces: list[Piece] = []
        while not pieces and not self._ended:
            try:
                self._take(await self._receive(), pieces)
            except ModelError as error:
                self._failure = error
                pieces += self._reply.salvage()
                if not pieces:
                    raise
        if pieces:
            self._wait_seconds = self._next_seconds
        return pieces

    async def finish(self) -> None:
        """Read on to the end for a moment, so that the connection can be used again."""
        with suppress(*BROKEN_CONNECTION):
            while not self._response.content.at_eof() and await self._silence.read(END_SECONDS):
                pass

    def close(self) -> None:
        """Give the connection back, or close it where the answer is not at its end: then the server stops."""
        self._silence.stop()
        if not self._response.content.at_eof():
            self._response.close()
        self._response.release()

    async def _receive(self) -> bytes:
        """Return the next bytes; b"" at the end of a reply, however the connection ended."""
        try:
            return await self._silence.read(self._patience())
        except BROKEN_CONNECTION as error:
            if left := self._silence.left_over():
                return left
            if self._reply.finished:
                return b""
            raise self._failures.of_transport(error) from None

    def _patience(self) -> float:
        if self._last_words_until is None:
            return self._wait_seconds
        return max(0.0, self._last_words_until - asyncio.get_running_loop().time())

    def _take(self, received: bytes, pieces: list[Piece]) -> None:
        """Add what the bytes hold to `pieces`; without any they are at their end."""
        try:
            events = self._parser.feed(received) if received else self._parser.finish()
        except EventTooLong:
            raise ModelBadAnswer("The model server sent an event that is longer than this service reads.") from None
        self._read_events(events, pieces)
        if self._reply.done or not received:
            self._end(pieces)
        elif self._reply.finished and (pieces or self._last_words_until is None):
            self._last_words_until = asyncio.get_running_loop().time() + LAST_WORDS_SECONDS

    def _read_events(self, events: list[Event], pieces: list[Piece]) -> None:
        for event in events:
            pieces += self._reply.read(event)
            if self._reply.done:
                return

    def _end(self, pieces: list[Piece]) -> None:
        if not self._reply.is_chat_completion and not self._parser.read_nothing and not self._is_event_stream():
            raise ModelBadAnswer(NO_STREAM)
        pieces += self._reply.end()
        self._ended = True

    def _is_event_stream(self) -> bool:
        return "event-stream" in self._response.headers.get("Content-Type", "").lower()
