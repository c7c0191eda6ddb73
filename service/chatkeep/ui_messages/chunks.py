"""A turn as a UI message stream, from its first chunk to its last.

Source: ai 7.0, `src/ui/ui-message-chunks.ts`; it is read by versions 5 and 6 as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatkeep.chat.items import is_call, is_output, is_refusal
from chatkeep.chat.reply_log import ITEM, ReplySpan
from chatkeep.chat.schemas import Turn
from chatkeep.http.schemas import json_line

DONE = b"data: [DONE]\n\n"
# By which clients know the protocol.
HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
INTERRUPTED = "The reply was interrupted. What there is of it is kept."
_REASONS = {"stop": "stop", "length": "length", "content_filter": "content-filter", "tool_calls": "tool-calls"}


class UiMessageChunks:
    """Writes the chunks of one stream.

    Args:
        turn: as it was begun.
        message_id: of the message that the reply belongs to; None makes one of the turn.
    """

    def __init__(self, turn: Turn, message_id: str | None) -> None:
        self._message_id = message_id or str(turn.id)
        self._metadata = metadata_of(turn)
        # The open part, and how many there were.
        self._kind: str | None = None
        self._count = 0

    def begin(self) -> bytes:
        return chunk("start", messageId=self._message_id, messageMetadata=self._metadata) + chunk("start-step")

    def take(self, spans: Iterable[ReplySpan]) -> bytes:
        """Return the chunks of the next parts of the reply."""
        return b"".join(written for span in spans for written in self._chunks(span))

    def finish(self, turn: Turn) -> bytes:
        """Return how it ended."""
        return self._close() + b"".join(_end(turn)) + DONE

    def _chunks(self, span: ReplySpan) -> Iterator[bytes]:
        if span.kind == ITEM:
            yield from self._item(json.loads(span.text))
            return
        kind = "text" if span.kind is None else "reasoning"
        yield self._open(kind)
        yield chunk(f"{kind}-delta", id=self._part_id, delta=span.text)

    def _item(self, item: Mapping[str, Any]) -> Iterator[bytes]:
        if is_refusal(item):
            yield self._open("text")
            yield chunk("text-delta", id=self._part_id, delta=item["refusal"])
            return
        yield self._close()
        yield from item_chunks(item)

    @property
    def _part_id(self) -> str:
        return f"{self._kind}-{self._count}"

    def _open(self, kind: str) -> bytes:
        if self._kind == kind:
            return b""
        closed = self._close()
        self._kind = kind
        self._count += 1
        return closed + chunk(f"{kind}-start", id=self._part_id)

    def _close(self) -> bytes:
        if self._kind is None:
            return b""
        closed = chunk(f"{self._kind}-end", id=self._part_id)
        self._kind = None
        return closed


def item_chunks(item: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the chunks of a whole item. One that has no place among the parts is a part of data, as it came."""
    if is_call(item):
        yield from _call(item)
    elif is_output(item):
        yield chunk("tool-output-available", toolCallId=item["call_id"], output=item.get("output"))
    else:
        yield chunk("data-item", data=dict(item))


def _call(item: Mapping[str, Any]) -> Iterator[bytes]:
    call = {"toolCallId": item["call_id"], "toolName": item["name"]}
    yield chunk("tool-input-start", **call)
    try:
        arguments = json.loads(item["arguments"] or "{}")
    except ValueError:
        wrong = "The model wrote arguments that are no JSON."
        yield chunk("tool-input-error", **call, input=item["arguments"], errorText=wrong)
    else:
        yield chunk("tool-input-available", **call, input=arguments)


def _end(turn: Turn) -> Iterator[bytes]:
    if turn.status in ("failed", "interrupted"):
        yield chunk("error", errorText=turn.error.detail if turn.error else INTERRUPTED)
        return
    yield chunk("finish-step")
    if turn.status == "stopped":
        yield chunk("abort", reason="stopped")
        return
    reason = _REASONS.get(turn.finish_reason or "stop", "other")
    yield chunk("finish", finishReason=reason, messageMetadata=metadata_of(turn))


def metadata_of(turn: Turn) -> dict[str, Any]:
    """Return a message's metadata, which the client sends back with it: its turn, and more about that."""
    found = json.loads(json_line(turn))
    names = ("conversation_id", "model", "status", "created_at", "usage")
    return {"turn_id": found["id"]} | {name: found[name] for name in names if found[name] is not None}


def chunk(kind: str, **fields: object) -> bytes:
    # Escaped throughout: readers split lines at characters that only Unicode knows as their ends.
    return b"data: %s\n\n" % json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
