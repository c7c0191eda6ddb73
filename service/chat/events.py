"""Server-sent events: how one is written, and the response that sends them."""

import json
from collections.abc import AsyncGenerator

from pydantic import BaseModel

from service.http.open_streams import OpenStreams, StreamTerms
from service.http.streams import Stream

KEEP_ALIVE = b": keep-alive\n\n"


# Made once: `json.dumps` makes one for each call.
_TEXT = json.JSONEncoder(ensure_ascii=False)


def event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    """Return one event; `data` is one line of JSON.

    Source: HTML Living Standard, 9.2, Server-sent events.
    """
    numbered = b"" if event_id is None else b"id: %d\n" % event_id
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), numbered, data)


def delta_event(text: str, event_id: int) -> bytes:
    """Return a `delta`: the event that there are most of, so written without a model around it."""
    return b'event: delta\nid: %d\ndata: {"text":%s}\n\n' % (event_id, _TEXT.encode(text).encode())


def json_line(model: BaseModel) -> bytes:
    return model.__pydantic_serializer__.to_json(model)


class EventStream(Stream):
    """A stream of events. The generation that it follows goes on when it is cut off."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], streams: OpenStreams, terms: StreamTerms) -> None:
        # Proxies that collect an answer before they pass it on would hold the words back.
        super().__init__(chunks, streams, terms, headers={"Cache-Control": "no-store"})
