"""`python -m tests.crash.model 20`: the model's stand-in on a free port, with so many ms before each piece."""

import socket
import sys

import uvicorn

from tests.crash.replies import Replies
from tests.upstream import UpstreamApp


def main() -> None:
    app = UpstreamApp(Replies(), pause_seconds=int(sys.argv[1]) / 1000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)).run(
            [listener]
        )


if __name__ == "__main__":
    main()
