"""For `--app tests.support.probe:app`: says what `chatkeep serve` has handed over to the process that answers."""

import base64
import os
import pickle
from typing import Any

from chatkeep.config import Settings

READ = Settings.read()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    answer = os.getpid(), {name: getattr(READ, name) for name in Settings.model_fields}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": base64.b64encode(pickle.dumps(answer))})
