"""The answers of a new or followed turn, for the OpenAPI document."""

from typing import Any

from chatkeep.chat.files.media_types import NOT_ALLOWED
from chatkeep.http.problems import BODY_ERRORS, error_responses

STREAM_EXAMPLE = """event: turn
data: {"id": "0198c0de-0000-7000-8000-000000000001", "status": "streaming", "prompt": {"content": "Hi"}}

event: delta
id: 6
data: {"text": "Hello!"}

event: done
id: 6
data: {"id": "0198c0de-0000-7000-8000-000000000001", "status": "complete", "reply": {"content": "Hello!"}}

"""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The turn as a stream: one `turn`, any number of `delta`, `reasoning` and `item`, one `done`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": STREAM_EXAMPLE}},
    }
}
NEW_TURN = STREAM | error_responses(
    401,
    404,
    *BODY_ERRORS,
    file_quota_reached=(403, "Your files may take 256 MB in all, and this one does not fit."),
    file_type_not_allowed=(422, NOT_ALLOWED),
    turn_in_progress=(409, "Another turn of this conversation is being answered. Wait for it, or stop it."),
    idempotency_key_reused=(422, "This Idempotency-Key was used for another request. Take a new one."),
    too_many_generations=(429, "The service is answering as many as it can. Try again soon."),
)
