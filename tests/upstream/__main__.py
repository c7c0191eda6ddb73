"""`python -m tests.upstream --port 9000 --replies conversations.jsonl`: the test server on its own."""

import argparse
import socket
from pathlib import Path

import uvicorn

from tests.upstream.app import UpstreamApp
from tests.upstream.replies import known_replies


def main() -> None:
    options = _options()
    replies = known_replies(options.replies) if options.replies else {}
    app = UpstreamApp(replies, options.api_key, options.model, options.pause_ms / 1000)
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        config = uvicorn.Config(app, lifespan="off", ws="none", log_level="warning")
        uvicorn.Server(config).run([listener])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    parser.add_argument("--replies", type=Path, help="known replies, as JSON lines of conversations")
    parser.add_argument("--api-key", help="the only key that is let in; by default everyone is")
    parser.add_argument("--model", nargs="+", default=["test-model"], help="names that /v1/models lists")
    parser.add_argument("--pause-ms", type=float, default=0.0, help="before each word")
    return parser.parse_args()


if __name__ == "__main__":
    main()
