"""A reply on ChatStream's wire; a client that hangs up stops the generation."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatkeep.chat.generation.generation import Generation
from chatkeep.chat.generation.sse import EventStream
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.models import ModelError
from chatkeep.chatstream.protocol import CONVERSATION_HEADER, MESSAGE_ID_HEADER, chunk_of, pause_after
from chatkeep.chatstream.responses import in_chatstreams_shape
from chatkeep.chatstream.turns import generation_of
from chatkeep.errors import DatabaseUnavailable, NotAuthenticated
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.problems import problem_response, response_to

NO_REPLY_STATUS = 502
INTERRUPTED_STATUS = 503
CHECK_INTERVAL_SECONDS = 60


class BrokenReply(Exception):
    """The reply ended in its middle; the protocol has no word for it."""


class WholeTextStream(EventStream):
    """`text/plain`, each chunk the whole text so far and the end mark.

    The answer begins with the first text, so that a model that fails before it can be answered with a status code.
    One that fails later breaks the connection: the client must not take what it has for the whole reply. The
    generation ends with the client, whether it hangs up, stops reading or is no longer signed in.
    """

    media_type = "text/plain"

    def __init__(self, following: TurnStream, streams: OpenStreams, terms: StreamTerms) -> None:
        super().__init__(whole_texts(following), streams, terms)
        self._generation = generation_of(following)
        self.headers[MESSAGE_ID_HEADER] = str(following.begun.id)
        self.headers[CONVERSATION_HEADER] = str(following.begun.conversation_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._streams.hold(self._terms):
                await _first_text(self._generation, receive)
                if _is_without_a_word(self._generation):
                    await self._streams.require(self._terms)  # its user may have been disabled or deleted
            failure = failure_of(self._generation)
        except (NotAuthenticated, DatabaseUnavailable) as error:
            self._generation.cancel("stopped")
            failure = in_chatstreams_shape(response_to(error))
        except BaseException:
            self._generation.cancel("stopped")
            raise
        await (super().__call__ if failure is None else failure)(scope, receive, send)

    async def stream(self, receive: Receive, send: Send) -> None:
        try:
            await super().stream(receive, send)
        finally:
            self._generation.cancel("stopped")

    async def stream_response(self, send: Send) -> None:
        with suppress(BrokenReply):  # the server closes the connection unfinished
            await super().stream_response(send)


async def whole_texts(following: TurnStream) -> AsyncGenerator[bytes, None]:
    """Yield the text so far, at most some times a second; the same once more where nothing comes for a while.

    Raises:
        BrokenReply: what was yielded is not the whole reply, and no more comes.
    """
    seen, chunk = "", chunk_of("")
    async with aclosing(following.texts()) as texts:
        async for text in texts:
            if text:
                seen += text
                chunk = chunk_of(seen)
            yield chunk
            await asyncio.sleep(pause_after(chunk))
    if not seen:
        yield chunk
    if not _ended_well(generation_of(following)):
        raise BrokenReply


def failure_of(generation: Generation) -> Response | None:
    """Return the answer where the generation ended badly before it had any text."""
    if not generation.ended or generation.log.has_text or _ended_well(generation):
        return None
    turn = generation.finished
    if turn is not None and turn.status == "failed":
        code, detail = (turn.error.code, turn.error.detail) if turn.error else (ModelError.code, "")
        return in_chatstreams_shape(problem_response(NO_REPLY_STATUS, code, detail))
    detail = "The reply was interrupted before it began. The prompt is kept; ask for it again."
    return in_chatstreams_shape(problem_response(INTERRUPTED_STATUS, "interrupted", detail))


def _is_without_a_word(generation: Generation) -> bool:
    """Tell whether it ended before it had any text, and not by itself."""
    if not generation.ended or generation.log.has_text:
        return False
    return generation.finished is None or generation.finished.status in ("stopped", "interrupted")


def _ended_well(generation: Generation) -> bool:
    return generation.finished is not None and generation.finished.status in ("complete", "incomplete", "stopped")


async def _first_text(generation: Generation, receive: Receive) -> None:
    """Wait until there is text, or until the generation or the client is gone."""
    async with anyio.create_task_group() as group:

        async def hang_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            generation.cancel("stopped")
            group.cancel_scope.cancel()

        group.start_soon(hang_up)
        while not generation.log.has_text and not generation.ended:
            await generation.more_than(generation.length, seconds=CHECK_INTERVAL_SECONDS)
        group.cancel_scope.cancel()
