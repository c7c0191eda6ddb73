"""All cases by name, in the order in which they run."""

from bench import disk, flush, long_conversation, model_client, open_streams, reads, requests, streaming, turns
from bench.run import Case

CASES: dict[str, Case] = {
    "turn": turns.turn,
    "turn-with-context": turns.turn_with_context,
    "last-turns": reads.last_turns,
    "conversations": reads.conversations,
    "length": long_conversation.length,
    "flush": flush.flush,
    "disk": disk.disk,
    "signed-in": requests.signed_in,
    "whole-turn": requests.whole_turn,
    "streamed-turn": streaming.streamed_turn,
    "fast-stream": streaming.fast_stream,
    "slow-streams": streaming.slow_streams,
    "model-client": model_client.replies,
}
# Only when they are named: they take long, or nearly all of the machine.
LONG: dict[str, Case] = {"open-streams": open_streams.open_streams}
EVERY = CASES | LONG
