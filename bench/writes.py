"""Database work of a turn: beside the same rows by the bare driver, by a conversation's length, and in between."""

import itertools
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from bench.measurements import Figure, Sides, paired
from bench.sides import Both, Place
from chatkeep.chat.history.fragments import Fragment
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.search.indexer import lexemes_of_turn
from chatkeep.chat.search.lexemes import SEPARATOR, VERSION
from chatkeep.ids import new_id

PROMPT = "What happens next, and why?"
REPLY = "It is a truth universally acknowledged. " * 12
# Ten of these fill the context that a model is shown, so that as much is read of every conversation.
LONG_REPLY = "It is a truth universally acknowledged. " * 70
CONTEXT_TOKENS = 8192
LENGTHS = (10, 1_000, 100_000)
FLUSHED = (1, 100, 1_000)

_TURN = """
  INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, model, params,
                     input_tokens, output_tokens, replica_id, created_at, completed_at)
  VALUES ($1, $2, $3, $4, $5, {status}, $6, {reply}, 'demonstration', '{{}}', {usage}, {replica}, now(), {ended})"""
_MOVE = """
  UPDATE conversations SET head_turn_id = $2, streaming_turn_id = {streaming}, turn_count = turn_count + 1,
    title = coalesce(title, left($6, 60)), updated_at = now(), last_turn_at = now()
  WHERE user_id = $1 AND id = $3"""
_COUNT = "UPDATE user_activity SET turn_count = turn_count + 1 WHERE user_id = $1"

_NOTE = """
  INSERT INTO statistics_notes (user_id, kind, model, at, duration_ms, input_tokens, output_tokens)
  VALUES ($1, 'complete', 'demonstration', now(), 0, 7, 90)"""
_SEARCH = f"""
  INSERT INTO turn_search (user_id, turn_id, part, parts, version, lexemes)
  SELECT $1, $2, number - 1, cardinality({{lexemes}}::text[]), {VERSION},
         array_to_tsvector(string_to_array(joined, '{SEPARATOR}'))
  FROM unnest({{lexemes}}::text[]) WITH ORDINALITY AS part (joined, number)"""
_COMPLETE = {
    "status": "'complete'",
    "reply": "$7",
    "usage": "7, 90",
    "ended": "now()",
    "replica": "nullif($8::uuid, $8)",
}
_STREAMING = {
    "status": "'streaming'",
    "reply": "nullif($7, $7)",
    "usage": "NULL, NULL",
    "ended": "NULL",
    "replica": "$8",
}

# All the rows that a turn leaves, in one statement and one commit.
BARE_TURN = (
    f"WITH kept AS ({_TURN.format(**_COMPLETE)}), moved AS ({_MOVE.format(streaming='NULL')}),"
    f" noted AS ({_NOTE}), findable AS ({_SEARCH.format(lexemes='$9')}) {_COUNT}"
)
# The same rows at the two moments at which they have to be kept.
BARE_BEGIN = f"WITH kept AS ({_TURN.format(**_STREAMING)}), moved AS ({_MOVE.format(streaming='$2')}) {_COUNT}"
BARE_END = f"""
WITH ended AS (
  UPDATE turns SET status = 'complete', reply = $4, input_tokens = 7, output_tokens = 90, completed_at = now(),
    replica_id = NULL
  WHERE user_id = $1 AND id = $2
), noted AS ({_NOTE}), findable AS ({_SEARCH.format(lexemes="$5")})
UPDATE conversations SET streaming_turn_id = NULL, updated_at = now() WHERE user_id = $1 AND id = $3"""


async def turn(both: Both) -> list[Figure]:
    """A turn's begin and end, beside its rows in one bare statement; and beside two, as it takes two commits."""
    places = itertools.cycle(both.places)
    # What is made of a turn's text is not the database's work, here; that it is kept is.
    lexemes = {place: await lexemes_of_turn(place.user_id, PROMPT, REPLY) for place in both.places}

    async def ours(number: int) -> None:
        await add_turn(both, next(places), REPLY)

    async def bare(number: int) -> None:
        place = next(places)
        await both.bare.execute(BARE_TURN, *_bare_values(place, REPLY, both.log.replica_id), lexemes[place])

    async def bare_twice(number: int) -> None:
        place = next(places)
        values = _bare_values(place, REPLY, both.log.replica_id)
        await both.bare.execute(BARE_BEGIN, *values)
        await both.bare.execute(BARE_END, place.user_id, values[1], place.conversation_id, REPLY, lexemes[place])

    times, rounds = both.effort.of(120), both.effort.rounds
    once = await paired(ours, bare, times=times, rounds=rounds)
    twice = await paired(ours, bare_twice, times=times, rounds=rounds)
    return [
        once.ratio("a turn's database work, beside one statement", 1.5),
        twice.ratio("  beside two: begun and finished", None),
    ]


async def length(both: Both) -> list[Figure]:
    """A turn added to a conversation of 100,000 turns and one of 1,000, beside one of ten."""
    lengths = sorted({min(each, both.effort.turns) for each in LENGTHS})
    sides: dict[int, Sides] = {each: Sides() for each in lengths[1:]}
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(both.conversation(each)) for each in lengths]
        for number in range(both.effort.rounds + 1):
            short, *longer = await _added(both, places, both.effort.of(60))
            for place, seconds in zip(places[1:], longer, strict=True):
                if number:
                    sides[place.length].pairs.append((seconds, short))
    *middle, most = lengths[1:]
    figures = [sides[each].ratio(f"  at {each:,} beside one at {lengths[0]:,}", None) for each in middle]
    return [sides[most].ratio(f"a turn at {most:,} beside one at {lengths[0]:,}", 1.1), *figures]


async def flush(both: Both) -> list[Figure]:
    """One write of many replies' new text."""
    figures = []
    for many in FLUSHED:
        begun = [await _begin(both, place) for place in both.places[-max(1, round(many * both.effort.share)) :]]
        rounds = [await _flush(both, begun, number) for number in range(both.effort.rounds + 2)][2:]
        for each in begun:
            await both.log.end(each, Outcome("complete", "x"))
        bar = 50.0 if many == FLUSHED[-1] else None
        figures.append(milliseconds(f"the flush of {len(begun):,} replies", bar, rounds))
    return figures


def milliseconds(name: str, bar: float | None, seconds: list[float]) -> Figure:
    rounds = sorted(each * 1e3 for each in seconds)
    return Figure(name, rounds[len(rounds) // 2], bar, unit="ms", rounds=tuple(rounds))


async def add_turn(both: Both, place: Place, reply: str) -> None:
    begun = await _begin(both, place)
    await both.log.end(begun, Outcome("complete", reply, input_tokens=7, output_tokens=90))


async def _begin(both: Both, place: Place) -> OpenTurn:
    return await both.log.begin(place.user_id, NewTurn(place.conversation_id, PROMPT), context_tokens=CONTEXT_TOKENS)


def _bare_values(place: Place, reply: str, replica_id: object) -> tuple[Any, ...]:
    ids = (place.user_id, new_id(), place.conversation_id, place.head_turn_id)
    return (*ids, place.length, PROMPT, reply, replica_id)


async def _added(both: Both, places: Sequence[Place], times: int) -> list[float]:
    """Return the seconds of a turn added to each conversation, in turn; all are as long as before in the end."""
    for place in places:
        for _ in range(10):
            await add_turn(both, place, LONG_REPLY)  # the context is full from here on
    seconds = [0.0] * len(places)
    for number in range(times):
        for each in range(len(places)):
            index = (each + number) % len(places)
            begun = time.perf_counter()
            await add_turn(both, places[index], LONG_REPLY)
            seconds[index] += time.perf_counter() - begun
    for place in places:
        await both.cut_back(place)
    return [each / times for each in seconds]


async def _flush(both: Both, begun: list[OpenTurn], number: int) -> float:
    fragments = [Fragment(each.user_id, each.id, number * 24, "four words of text here ") for each in begun]
    started = time.perf_counter()
    await both.log.flush(fragments)
    return time.perf_counter() - started
