"""A stream is sent when the application has returned, by the same way as it would have been sent before."""

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.http.open_streams import OpenStreams
from chatkeep.http.streams import StreamsLast, send_last


class Application:
    """Answers with a stream; notes what happens when."""

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[str] = []
        self._fails = fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stream(receive: Receive, send: Send) -> None:
            self.told.append("stream")
            if self._fails:
                raise RuntimeError("in the stream")
            await send(await receive())

        async def send_marked(message: Message) -> None:
            await send({**message, "type": "marked"})

        scope["route"] = "the route"
        await send_last(stream, scope, receive, send_marked)
        self.told.append("returned")


async def ask(app: ASGIApp) -> tuple[Scope, list[Message]]:
    scope: Scope = {"type": "http"}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"asked"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return scope, sent


async def test_a_stream_comes_after_the_application_and_through_its_layers() -> None:
    app = Application()
    scope, sent = await ask(StreamsLast(app, streams=OpenStreams(write_timeout_seconds=30)))
    assert app.told == ["returned", "stream"]
    assert sent == [{"type": "marked", "body": b"asked"}]
    assert scope == {"type": "http", "route": "the route"}  # and nothing that the application left


async def test_it_comes_at_once_where_nobody_waits_for_the_application() -> None:
    app = Application()
    _, sent = await ask(app)
    assert app.told == ["stream", "returned"]
    assert sent == [{"type": "marked", "body": b"asked"}]


async def test_its_errors_are_the_servers() -> None:
    with pytest.raises(RuntimeError, match="in the stream"):
        await ask(StreamsLast(Application(fails=True), streams=OpenStreams(write_timeout_seconds=30)))
