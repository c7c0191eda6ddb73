"""The service, and how long it worked at a stretch: between two looks of a clock that runs in its event loop."""

import asyncio
import time
from typing import Any

from bench.service_app import application as service
from chatkeep.app.loop_watch import TICK_SECONDS

TICK = TICK_SECONDS / 10


class Stretches:
    """The longest time for which the loop could not look at the clock since `reset`, in seconds.

    By the processor time of the process, with that of its other threads: one of them can hold the loop up, too, where
    a library does not let go of the interpreter. And by the time of day: threads may work while the loop does not want
    to. The smaller of the two is no more than was seen.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began, worked = clock(), time.process_time()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, min(clock() - began - TICK, time.process_time() - worked))


def application() -> Any:
    inner, stretches = service(), Stretches()
    running: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not running:
            running.append(asyncio.get_running_loop().create_task(stretches.run(), name="stretches"))
        if scope["type"] == "http" and scope["path"] == "/stretch":
            body = f"{stretches.longest} {time.process_time()}".encode()
            stretches.reset()
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
            )
            await send({"type": "http.response.body", "body": body})
        else:
            await inner(scope, receive, send)

    return app
