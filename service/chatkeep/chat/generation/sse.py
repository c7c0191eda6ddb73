"""Server-sent events: how one is written, and the response that sends them."""

import json
from collections.abc import AsyncGenerator

from chatkeep.chat.reply_log import ITEM, ReplySpan
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.schemas import on_one_line
from chatkeep.http.streams import Stream

# Comments: clients that know of no such thing pass over them.
KEEP_ALIVE = b": keep-alive\n\n"
QUEUED = b": queued\n\n"

# Made once: `json.dumps` makes one for each call.
_TEXT = json.JSONEncoder(ensure_ascii=False)


def event(name: str, data: bytes, event_id: int | None = None) -> bytes:
    """Return one event; `data` is one line of JSON.

    Source: HTML Living Standard, 9.2, Server-sent events.
    """
    numbered = b"" if event_id is None else b"id: %d\n" % event_id
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), numbered, on_one_line(data))


def stretch_event(stretch: ReplySpan) -> bytes:
    """Return the event of a stretch of the reply, numbered with the position after it.

    There are so many of these that they are written without a model around them.
    """
    end = stretch.position + stretch.length
    if stretch.kind == ITEM:
        return b"event: item\nid: %d\ndata: %s\n\n" % (end, on_one_line(stretch.text.encode()))
    name = b"delta" if stretch.kind is None else b"reasoning"
    text = on_one_line(_TEXT.encode(stretch.text).encode())
    return b'event: %s\nid: %d\ndata: {"text":%s}\n\n' % (name, end, text)


class EventStream(Stream):
    """A stream of events. The generation that it follows goes on when it is cut off."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None], streams: OpenStreams, terms: StreamTerms) -> None:
        # Proxies that collect an answer before they pass it on would hold the words back.
        super().__init__(chunks, streams, terms, headers={"Cache-Control": "no-store"})
