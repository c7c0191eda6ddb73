"""The events of a response's stream: a function of the turn and its log alone.

A sequence number is the position in the log, plus the number of events before it that are no piece of text. So it is
the same from every replica and for ever, however the text is cut into pieces on its way, and it has gaps.

Source: openai-python 3.54, `response_stream_event.py`, `lib/streaming/responses`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chatkeep.chat.generation.sse import event
from chatkeep.chat.items import JsonItem, is_refusal
from chatkeep.chat.reply_log import ITEM, ReplySpan
from chatkeep.openai.ids import item_id
from chatkeep.openai.output_items import message_item, output_text, reasoning_item, shown_item

DONE = b"data: [DONE]\n\n"
_ENDS = {"completed": "response.completed", "failed": "response.failed"}


@dataclass(slots=True)
class _Run:
    """The open item of text or of reasoning."""

    kind: str | None
    item_id: str
    texts: list[str] = field(default_factory=list)

    @property
    def event(self) -> str:
        return "response.output_text" if self.kind is None else "response.reasoning_text"


class ResponseEvents:
    """Writes the events of one stream.

    Args:
        first_number: how many items the prompt has: an item's id counts on from there.
        after: the last sequence number that the client has; events up to it are left out.
    """

    def __init__(self, turn_id: UUID, first_number: int, *, after: int = -1) -> None:
        self._turn_id = turn_id
        self._first = first_number
        self._after = after
        self._position = 0
        self._others = 0
        self._index = -1
        self._run: _Run | None = None

    def begin(self, response: Mapping[str, Any]) -> bytes:
        """Return the head: the response as it was when it was asked for."""
        head = {**response, "output": []}
        names = ["response.created", "response.in_progress"]
        if response["status"] == "queued":
            names.insert(1, "response.queued")
        statuses = {"response.in_progress": "in_progress"}
        return b"".join(
            self._event(name, response=head | {"status": statuses.get(name, head["status"])}) for name in names
        )

    def take(self, spans: Iterable[ReplySpan]) -> bytes:
        """Return the events of the next parts of the log."""
        return b"".join(piece for span in spans for piece in self._events_of(span))

    def finish(self, response: Mapping[str, Any]) -> bytes:
        """Return the end: the response as it is kept.

        A client that saw the last words of a process that died before it wrote them down is ahead of what is kept. It
        is told the end all the same, by the number after the last that it has.
        """
        status = response["status"]
        closing = b"".join(self._close("completed" if status == "completed" else "incomplete"))
        if status == "failed":
            self._others += max(0, self._after - self._sequence)
        return closing + self._event(_ENDS.get(status, "response.incomplete"), response=response) + DONE

    def _events_of(self, span: ReplySpan) -> Iterator[bytes]:
        if span.kind == ITEM:
            yield from self._close()
            yield from self._whole_item(json.loads(span.text))
            return
        if self._run is None or self._run.kind != span.kind:
            yield from self._close()
            yield from self._open(span.kind)
        yield self._text(span.text)

    def _open(self, kind: str | None) -> Iterator[bytes]:
        self._index += 1
        own_id = self._item_id("message" if kind is None else "reasoning")
        self._run = _Run(kind, own_id)
        yield self._event("response.output_item.added", output_index=self._index, item=self._item("in_progress"))
        yield self._event("response.content_part.added", **self._place(), part=_part(kind, ""))

    def _text(self, text: str) -> bytes:
        assert self._run is not None  # noqa: S101  `_events_of` has opened it
        self._run.texts.append(text)
        before = self._sequence
        self._position += len(text)
        if self._sequence <= self._after:
            return b""
        rest = text[max(0, self._after - before) :]
        logprobs: JsonItem = {"logprobs": []} if self._run.kind is None else {}
        return self._written(f"{self._run.event}.delta", {**self._place(), "delta": rest, **logprobs})

    def _close(self, status: str = "completed") -> Iterator[bytes]:
        run = self._run
        if run is None:
            return
        text = "".join(run.texts)
        logprobs: JsonItem = {"logprobs": []} if run.kind is None else {}
        yield self._event(f"{run.event}.done", **self._place(), text=text, **logprobs)
        yield self._event("response.content_part.done", **self._place(), part=_part(run.kind, text))
        yield self._event("response.output_item.done", output_index=self._index, item=self._item(status))
        self._run = None

    def _whole_item(self, kept: JsonItem) -> Iterator[bytes]:
        self._index += 1
        item = shown_item(self._turn_id, self._first + self._index, kept, "completed")
        place = {"item_id": item["id"], "output_index": self._index}
        if kept.get("type") == "function_call":
            begun = {**item, "arguments": "", "status": "in_progress"}
            yield self._event("response.output_item.added", output_index=self._index, item=begun)
            yield self._piece("response.function_call_arguments.delta", **place, delta=kept.get("arguments", ""))
            named = {"name": kept.get("name", ""), "arguments": kept.get("arguments", "")}
            yield self._event("response.function_call_arguments.done", **place, **named)
        elif is_refusal(kept):
            yield from self._refusal(item, kept["refusal"])
        else:
            yield self._event("response.output_item.added", output_index=self._index, item=item)
            self._position += 1
        yield self._event("response.output_item.done", output_index=self._index, item=item)

    def _refusal(self, item: JsonItem, refusal: str) -> Iterator[bytes]:
        place = {"item_id": item["id"], "output_index": self._index, "content_index": 0}
        begun = {**item, "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=self._index, item=begun)
        yield self._event("response.content_part.added", **place, part={"type": "refusal", "refusal": ""})
        yield self._piece("response.refusal.delta", **place, delta=refusal)
        yield self._event("response.refusal.done", **place, refusal=refusal)
        yield self._event("response.content_part.done", **place, part={"type": "refusal", "refusal": refusal})

    def _item(self, status: str) -> JsonItem:
        assert self._run is not None  # noqa: S101  its callers have looked
        text, is_open = "".join(self._run.texts), status == "in_progress"
        if self._run.kind is None:
            return message_item(self._run.item_id, status, [] if is_open else [output_text(text)])
        return reasoning_item(self._run.item_id, status, "" if is_open else text, {})

    def _item_id(self, kind: str) -> str:
        return item_id(self._turn_id, kind, self._first + self._index)

    def _place(self) -> dict[str, Any]:
        assert self._run is not None  # noqa: S101  its callers have looked
        return {"item_id": self._run.item_id, "output_index": self._index, "content_index": 0}

    @property
    def _sequence(self) -> int:
        """The number of the last event."""
        return self._position + self._others - 1

    def _event(self, name: str, /, **data: Any) -> bytes:
        self._others += 1
        return self._written(name, data)

    def _piece(self, name: str, /, **data: Any) -> bytes:
        """Return the event of a whole item's own text, which the log counts as one position."""
        self._position += 1
        return self._written(name, data)

    def _written(self, name: str, data: Mapping[str, Any]) -> bytes:
        if self._sequence <= self._after:
            return b""
        whole = {"type": name, "sequence_number": self._sequence, **data}
        return event(name, json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())


def _part(kind: str | None, text: str) -> JsonItem:
    return output_text(text) if kind is None else {"type": "reasoning_text", "text": text}
