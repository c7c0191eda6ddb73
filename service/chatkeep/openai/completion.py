"""A turn as the chat completion that it is under `/v1`, whole and in chunks.

Source: OpenAI API reference, The chat completion object, The chat completion chunk object.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatkeep.chat.items import is_call, is_reasoning
from chatkeep.chat.reply_log import ITEM, ReplySpan
from chatkeep.chat.schemas import Turn
from chatkeep.openai.ids import COMPLETION, to_text
from chatkeep.openai.schemas import JsonObject

DONE = b"data: [DONE]\n\n"
_REASONS = {"stopped": "stop", "incomplete": "length"}


def to_completion(turn: Turn) -> JsonObject:
    """Return the whole completion."""
    choice = {"index": 0, "message": _message(turn), "finish_reason": _reason(turn), "logprobs": None}
    return _head(turn, "chat.completion") | {"choices": [choice], "usage": usage_of(turn)}


def _head(turn: Turn, kind: str) -> JsonObject:
    return {
        "id": to_text(COMPLETION, turn.id),
        "object": kind,
        "created": int(turn.created_at.timestamp()),
        "model": turn.model or "",
        "service_tier": "default",
    }


def _message(turn: Turn) -> JsonObject:
    reply = turn.reply
    items = (reply.items or []) if reply else []
    calls = [_call(item) for item in items if is_call(item)]
    thought = "".join(item["text"] for item in items if is_reasoning(item))
    content = reply.content if reply else ""
    message: JsonObject = {
        "role": "assistant",
        "content": content if content or not (calls or (reply and reply.refusal)) else None,
        "refusal": reply.refusal if reply else None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    return message | (_reasoning(thought) if thought else {})


def _reasoning(text: str) -> JsonObject:
    """Under both names by which clients look for it."""
    return {"reasoning_content": text, "reasoning": text}


def _call(item: Mapping[str, Any]) -> JsonObject:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


def _reason(turn: Turn) -> str:
    if turn.finish_reason is not None:
        return turn.finish_reason
    if turn.status in _REASONS:
        return _REASONS[turn.status]
    items = (turn.reply.items or []) if turn.reply else []
    return "tool_calls" if any(map(is_call, items)) else "stop"


def usage_of(turn: Turn) -> JsonObject | None:
    usage = turn.usage
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


class CompletionChunks:
    """Writes the chunks of one stream.

    Args:
        turn: as it was begun.
        with_usage: the client wants to know at the end what it cost.
    """

    def __init__(self, turn: Turn, *, with_usage: bool) -> None:
        self._head = _head(turn, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
        self._with_usage = with_usage
        self._calls = 0

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def take(self, spans: Iterable[ReplySpan]) -> bytes:
        """Return the chunks of the next parts of the reply."""
        return b"".join(self._chunk(delta) for span in spans for delta in self._deltas(span))

    def finish(self, turn: Turn) -> bytes:
        """Return how it ended, and what it cost where the client wants to know."""
        end = self._chunk({}, _reason(turn))
        if self._with_usage:
            end += _data(self._head | {"choices": [], "usage": usage_of(turn)})
        return end + DONE

    def _deltas(self, span: ReplySpan) -> Iterator[JsonObject]:
        if span.kind is None:
            yield {"content": span.text}
        elif span.kind != ITEM:
            yield _reasoning(span.text)
        else:
            item = json.loads(span.text)
            if is_call(item):
                yield {"tool_calls": [{"index": self._calls, **_call(item)}]}
                self._calls += 1
            elif "refusal" in item:
                yield {"refusal": item["refusal"]}

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data(self._head | {"choices": [choice]})


def _data(chunk: Mapping[str, Any]) -> bytes:
    # Escaped throughout: readers split lines at characters that only Unicode knows as their ends.
    return b"data: %s\n\n" % json.dumps(chunk, separators=(",", ":")).encode()


def error_data(body: Mapping[str, Any]) -> bytes:
    """Return the end of a stream whose reply failed: the stock client raises what it says."""
    return _data(body) + DONE
