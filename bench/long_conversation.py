"""A turn added to a conversation of 100,000 turns and one of 1,000, beside one of ten."""

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from bench import bars
from bench.bulk_data import copy_turns, path_of
from bench.contenders.chatkeep import Chatkeep, chatkeep
from bench.contenders.contender import Place, places
from bench.measurements import Sides
from bench.run import Findings, Run
from bench.texts import turns_of
from chatkeep.chat.history import conversations
from chatkeep.chat.search.indexer import BATCH_TURNS, index_turns

LENGTHS = (10, 1_000, 100_000)
TIMES = 60
YEAR = datetime(2026, 1, 1, tzinfo=UTC)
# Ten of these fill the context that a model is shown, so that as much is read of every conversation.
TURN_CHARACTERS = 3_000
CONTEXT_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class LongConversation:
    """A conversation of `length` turns, to which it can be cut back."""

    place: Place
    head_turn_id: UUID
    length: int


async def length(run: Run) -> Findings:
    """The time of a turn by the conversation's length."""
    lengths = sorted({min(each, run.effort.messages // 2) for each in LENGTHS})
    sides: dict[int, Sides] = {each: Sides() for each in lengths[1:]}
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(chatkeep(run.url))
        of = [await stack.enter_async_context(_conversation(run, ours, each)) for each in lengths]
        for number in range(run.effort.rounds + 1):
            short, *longer = await _seconds(run, ours, of, run.effort.of(TIMES))
            for each, seconds in zip(of[1:], longer, strict=True):
                if number:
                    sides[each.length].pairs.append((seconds, short))
    *middle, most = lengths[1:]
    found: Findings = [
        sides[most].ratio(f"a turn at {most:,} beside one at {lengths[0]:,}", bars.TURN_IN_LONG_CONVERSATION)
    ]
    return found + [sides[each].ratio(f"  at {each:,} beside one at {lengths[0]:,}", None) for each in middle]


@asynccontextmanager
async def _conversation(run: Run, ours: Chatkeep, length: int) -> AsyncIterator[LongConversation]:
    """Make a conversation that is found by search, and delete it in the end."""
    chance = random.Random(length)
    place = await ours.new_conversation(chance.choice(await places(run.server.connection)).user_id)
    path = list(path_of(place.user_id, place.conversation_id, length, YEAR, chance))
    await copy_turns(run.server.connection, path)
    made = LongConversation(place, path[-1][1], length)
    await _cut_back(run, made)
    keys = [(row[0], row[1]) for row in path]
    for first in range(0, length, BATCH_TURNS):
        await index_turns(ours.database, keys[first : first + BATCH_TURNS])
    await run.server.connection.execute("VACUUM (ANALYZE) conversations, turns, turn_entries", timeout=3600)
    try:
        yield made
    finally:
        async with ours.database.transaction() as connection:
            await conversations.delete_conversation(connection, place.user_id, place.conversation_id)


async def _cut_back(run: Run, made: LongConversation) -> None:
    """Take away what was added to a conversation."""
    key = (made.place.user_id, made.place.conversation_id)
    await run.server.connection.execute(
        "DELETE FROM turns WHERE user_id = $1 AND conversation_id = $2 AND position >= $3", *key, made.length
    )
    await run.server.connection.execute(
        "UPDATE conversations SET head_turn_id = $3, turn_count = $4 WHERE user_id = $1 AND id = $2",
        *(*key, made.head_turn_id, made.length),
    )


async def _seconds(run: Run, ours: Chatkeep, of: Sequence[LongConversation], times: int) -> list[float]:
    """Return the seconds of a turn added to each conversation, in turn; all are as long as before in the end."""
    texts = turns_of(TURN_CHARACTERS, 20)

    async def add(made: LongConversation, number: int) -> None:
        prompt, reply = texts[number % len(texts)]
        await ours.end(await ours.begin(made.place, prompt, CONTEXT_TOKENS), reply)

    for made in of:
        for number in range(10):
            await add(made, number)  # the context is full from here on
    seconds = [0.0] * len(of)
    for number in range(times):
        for each in range(len(of)):
            index = (each + number) % len(of)
            begun = time.perf_counter()
            await add(of[index], number)
            seconds[index] += time.perf_counter() - begun
    await ours.settle()
    for made in of:
        await _cut_back(run, made)
    return [each / times for each in seconds]
