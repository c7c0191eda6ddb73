"""One write of many replies' new text, as the service makes it several times a second."""

import time

from bench import bars
from bench.contenders.chatkeep import Chatkeep, chatkeep
from bench.contenders.contender import places
from bench.measurements import Figure
from bench.run import Findings, Run
from chatkeep.chat.history.fragments import Fragment
from chatkeep.chat.history.turn import OpenTurn

REPLIES = (1, 100, 1_000)
TEXT = "four words of text here "


async def flush(run: Run) -> Findings:
    found: Findings = []
    of = await places(run.server.connection)
    async with chatkeep(run.url) as ours:
        for many in REPLIES:
            wanted = of[: max(1, round(many * run.effort.share))]
            turns = [await ours.begin(place, "What happens next, and why?") for place in wanted]
            seconds = [await _seconds(ours, turns, number) for number in range(run.effort.rounds + 2)][2:]
            for each in turns:
                await ours.end(each, TEXT)
            bar = bars.FLUSH_MS if many == REPLIES[-1] else None
            found.append(Figure.of(f"the flush of {len(turns):,} replies", [each * 1e3 for each in seconds], bar, "ms"))
        await ours.settle()
    return found


async def _seconds(ours: Chatkeep, turns: list[OpenTurn], number: int) -> float:
    fragments = [Fragment(each.user_id, each.id, number * len(TEXT), TEXT) for each in turns]
    begun = time.perf_counter()
    await ours.store.flush(fragments)
    return time.perf_counter() - begun
