"""Runs the application of a module on a free port, and says where it listens once it does."""

import importlib
import socket
import sys

import uvicorn


class Announced(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    app = importlib.import_module(sys.argv[1]).app
    listener = socket.create_server(("127.0.0.1", 0))
    Announced(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)).run([listener])
