"""The service without one of the layers that every request goes through, named by BENCH_WITHOUT."""

import os
from typing import Any

from fastapi import FastAPI

from bench.service_app import application as service
from chatkeep.http import streams

LAYERS = ("delivery", "late answers", "nothing")


class _NoLateAnswer:
    def __init__(self, _scope: object, _receive: object, send: object, _streams: object) -> None:
        self.send = send


async def _no_delivery(self: streams.StreamsLast, scope: Any, receive: Any, send: Any) -> None:
    await self.app(scope, receive, send)


def application() -> FastAPI:
    without = os.environ["BENCH_WITHOUT"]
    if without == "delivery":
        streams.StreamsLast.__call__ = _no_delivery  # type: ignore[method-assign]  # in this process alone
    elif without == "late answers":
        setattr(streams, "LateAnswer", _NoLateAnswer)  # noqa: B010  not one of the names that the module exports
    return service()
