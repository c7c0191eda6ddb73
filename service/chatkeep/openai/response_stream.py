"""A response as it is generated, or as it was: its events, and its end for a client that waits for that alone."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response

from chatkeep.chat.generation.sse import KEEP_ALIVE
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.schemas import Turn
from chatkeep.http.problems import problem_response
from chatkeep.openai.ids import RESPONSE, to_text
from chatkeep.openai.output_items import input_count
from chatkeep.openai.response import INTERRUPTED, KeptResponse, to_response
from chatkeep.openai.response_events import ResponseEvents

_STATUSES = {
    "model_bad_request": 400,
    "model_takes_no_files": 400,
    "model_takes_no_images": 400,
    "model_not_found": 404,
    "model_rate_limited": 429,
    "model_quota_reached": 429,
    "model_loading": 503,
    "model_timeout": 504,
}
# A client that tried again would have a second turn kept.
_NO_RETRY = {"x-should-retry": "false"}


async def response_events(
    following: TurnStream, request: Mapping[str, Any], *, after: int = -1
) -> AsyncGenerator[bytes, None]:
    """Yield the response's events from after the sequence number `after`, and `[DONE]`."""
    turn = await following.turn_at_its_start()
    events = ResponseEvents(turn.id, input_count(turn), after=after)
    head = events.begin(to_response(KeptResponse(turn, request), queued=bool(request.get("background"))))
    del turn  # its prompt may have megabytes, and the reply may take minutes
    if head:
        yield head
    async with aclosing(following.stretches()) as found:
        async for spans in found:
            written = events.take(spans)
            if written or not spans:
                yield written or KEEP_ALIVE
    yield events.finish(to_response(KeptResponse(await following.turn_at_its_end(), request)))


def failed_status(turn: Turn) -> tuple[int, str, str] | None:
    """Return the status, the code and the sentence of a reply that failed; None for any other."""
    if turn.status not in ("failed", "interrupted"):
        return None
    code = turn.error.code if turn.error else "interrupted"
    return _STATUSES.get(code, 502), code, turn.error.detail if turn.error else INTERRUPTED


def failure_of(turn: Turn, prefix: str = RESPONSE) -> Response | None:
    """Return the answer to a client that waited for a reply that failed; None where it did not.

    The turn is kept with what there was of the reply, and the answer names it.
    """
    failed = failed_status(turn)
    if failed is None:
        return None
    return problem_response(*failed, headers=_NO_RETRY, fields={"response_id": to_text(prefix, turn.id)})
