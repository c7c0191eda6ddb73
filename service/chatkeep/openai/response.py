"""A turn as the response that it is under `/v1`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.schemas import Turn
from chatkeep.chat.status import Status
from chatkeep.openai.ids import CONVERSATION, RESPONSE, to_text
from chatkeep.openai.output_items import output_items
from chatkeep.openai.response_request import echoed
from chatkeep.openai.schemas import JsonObject

STATUSES: Mapping[Status, str] = {
    "streaming": "in_progress",
    "complete": "completed",
    "incomplete": "incomplete",
    "stopped": "cancelled",
    "failed": "failed",
    "interrupted": "failed",
}
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = {"model_rate_limited": "rate_limit_exceeded", "model_bad_request": "invalid_prompt"}
INTERRUPTED = "The service stopped while this was being answered. What there was of the reply is kept."


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """A turn, and what the request for it said where it came through this API; {} for one of the page."""

    turn: Turn
    request: Mapping[str, Any]


def to_response(kept: KeptResponse, *, queued: bool = False) -> JsonObject:
    """Return the response; of one that is being generated, what there is of it so far.

    Args:
        queued: the model was not asked yet.
    """
    turn, request = kept.turn, kept.request
    in_conversation = request.get("conversation")
    parent_id = None if in_conversation else turn.parent_id
    return {
        "id": to_text(RESPONSE, turn.id),
        "object": "response",
        "created_at": int(turn.created_at.timestamp()),
        "completed_at": None if turn.completed_at is None else int(turn.completed_at.timestamp()),
        "status": "queued" if queued else STATUSES[turn.status],
        "error": _error(turn),
        "incomplete_details": _incomplete(turn),
        "model": turn.model or "",
        "previous_response_id": None if parent_id is None else to_text(RESPONSE, parent_id),
        "conversation": {"id": to_text(CONVERSATION, turn.conversation_id)} if in_conversation else None,
        "output": output_items(turn),
        "usage": usage_of(turn),
        **echoed(request),
    }


def _error(turn: Turn) -> JsonObject | None:
    if turn.error is not None:
        return {"code": _CODES.get(turn.error.code, "server_error"), "message": turn.error.detail}
    return {"code": "server_error", "message": INTERRUPTED} if turn.status == "interrupted" else None


def _incomplete(turn: Turn) -> JsonObject | None:
    if turn.status != "incomplete":
        return None
    return {"reason": _REASONS.get(turn.finish_reason or "", "max_output_tokens")}


def usage_of(turn: Turn) -> JsonObject | None:
    usage = turn.usage
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
