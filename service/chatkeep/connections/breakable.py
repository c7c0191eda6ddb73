"""uvicorn's protocol on httptools, whose connections an answer can break off."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chatkeep.http.delivery import TRANSPORT


class BreakableProtocol(HttpToolsProtocol):
    """One connection, handed to the application in ASGI's `extensions`.

    Closing a connection waits until its client has read what was written, which one that does not read never does.
    Only the transport can end that.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._extensions = {TRANSPORT: transport}

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # of any name
