"""Each case over HTTP runs, and measures what it says."""

from tests.bench.benchmark import measured


async def test_requests_turns_and_streams_are_measured_beside_bare_fastapi(shared_database_url: str) -> None:
    names = ("signed-in", "whole-turn", "api-turn", "streamed-turn", "fast-stream", "slow-streams", "model-client")
    written = await measured(shared_database_url, *names)
    turn = "a whole HTTP turn of one piece, one after the other"
    assert written.barred() == {
        "a signed-in request: processor, beside a bare look-up",
        f"{turn}: processor, beside bare",
        f"{turn}: time, beside bare",
        "/chat/completions: processor, beside /responses",
        "/chat/completions: time, beside /responses",
        "a streamed turn of 40 pieces: processor of the service",
        "a streamed turn of 40 pieces: first byte, beside bare",
        "a fast stream of 40: pieces a second of processor",
        "2 slow streams: events a second of processor",
        "model client, a reply of 40 pieces, of the SDK's",
        "model client, a reply of one piece, of the SDK's",
    }
    for side in ("chatkeep", "bare FastAPI"):
        # A turn writes; a request of somebody who is signed in does not.
        assert written.costs[turn, side]["wal_bytes"] > 500
        assert written.costs["a signed-in request", side]["wal_bytes"] < 500


async def test_open_streams_are_held_and_refusals_counted(shared_database_url: str) -> None:
    written = await measured(shared_database_url, "open-streams")
    for name in ("40 open streams, a piece every 1 s", "20 open streams, a piece every 0.1 s"):
        assert written.figures[f"{name}: refused"]["value"] == 0
        assert written.figures[f"{name}: the longest pause more than the model's"]["bar"]["goal"] == 1.0
        assert written.figures[f"{name}: memory of each"]["bar"]["goal"] == 40
        assert written.figures[f"{name}: pieces a second"]["value"] > 0
