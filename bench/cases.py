"""All cases by name, in the order in which they run."""

from collections.abc import Awaitable, Callable

from bench import api, disk, flush, long_conversation, model_client, open_streams, reads, requests, streaming, turns
from bench.run import Findings, Run
from bench.web import Web

DATABASE: dict[str, Callable[[Run], Awaitable[Findings]]] = {
    "turn": turns.turn,
    "turn-with-context": turns.turn_with_context,
    "last-turns": reads.last_turns,
    "conversations": reads.conversations,
    "length": long_conversation.length,
    "flush": flush.flush,
    "disk": disk.disk,
}
WEB: dict[str, Callable[[Web], Awaitable[Findings]]] = {
    "signed-in": requests.signed_in,
    "whole-turn": requests.whole_turn,
    "api-turn": api.api_turn,
    "streamed-turn": streaming.streamed_turn,
    "fast-stream": streaming.fast_stream,
    "slow-streams": streaming.slow_streams,
}
MODEL: dict[str, Callable[[Run], Awaitable[Findings]]] = {"model-client": model_client.replies}
# Only where they are named: they take long, and nearly all of the machine.
LONG: dict[str, Callable[[Run], Awaitable[Findings]]] = {"open-streams": open_streams.open_streams}
USUAL = [*DATABASE, *WEB, *MODEL]
EVERY = [*USUAL, *LONG]
