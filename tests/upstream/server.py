"""The test server behind real uvicorn, in a thread of its own, on a port of its own."""

import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import uvicorn

from tests.upstream.app import Received, UpstreamApp

STOP_SECONDS = 10


class Upstream:
    """A model server that lives as long as a `with` block.

    Args:
        replies, api_key, models, pause_seconds: as `UpstreamApp` takes them.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        replies: Mapping[str, str] | None = None,
        api_key: str | None = None,
        models: Sequence[str] = ("test-model",),
        pause_seconds: float = 0.0,
        port: int = 0,
    ) -> None:
        self.app = UpstreamApp(replies, api_key, models, pause_seconds)
        self._socket = socket.create_server(("127.0.0.1", port))
        self._server = uvicorn.Server(_config(self.app))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    @property
    def url(self) -> str:
        """The API's address, as `--model-url` takes it."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    @property
    def requests(self) -> list[Received]:
        """Every request so far, `GET /v1/models` included, oldest first."""
        return self.app.requests

    def start(self) -> None:
        """Serve from now on; requests that come before the thread is ready wait in the socket."""
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and wait for the thread."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(STOP_SECONDS)
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _config(app: UpstreamApp) -> uvicorn.Config:
    # Silent, because its faults are raised on purpose.
    return uvicorn.Config(app, lifespan="off", ws="none", log_config=None, log_level=60, access_log=False)
