"""What a reply of a model server costs this process: our client beside the `openai` SDK, over a real socket."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from openai import AsyncOpenAI

from bench import bars
from bench.measurements import Bar, Effort, Sides
from bench.model_app import at_once, every
from bench.run import Findings, Run
from bench.servers import server
from chatkeep.chat.models import End
from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from chatkeep.chat.models.prompt import ChatPrompt

TIMES = 20
LONG_REPLY_PIECES = 40
SLOW_PACE_MS = 1


@dataclass(frozen=True, slots=True)
class Clients:
    """Both clients of one model server, which has a process of its own."""

    effort: Effort
    ours: OpenAICompatibleModel
    sdk: AsyncOpenAI


async def replies(run: Run) -> Findings:
    """Processor time of a reply, long and short, as a share of the SDK's."""
    many = LONG_REPLY_PIECES
    cases: list[tuple[str, int, str, Bar | None]] = [
        (f"model client, a reply of {many} pieces", many, at_once(many), bars.LONG_REPLY_OF_SDK),
        ("  one by one", many, every(SLOW_PACE_MS, many), None),
        ("model client, a reply of one piece", 1, at_once(1), bars.SHORT_REPLY_OF_SDK),
    ]
    async with _clients(run.effort) as clients:
        return [
            (await _compared(clients, pieces, model)).ratio(f"{name}, of the SDK's", bar)
            for name, pieces, model, bar in cases
        ]


@asynccontextmanager
async def _clients(effort: Effort) -> AsyncIterator[Clients]:
    with server("bench.model_app:application") as measured:
        url = f"http://127.0.0.1:{measured.port}/v1"
        both = Clients(effort, OpenAICompatibleModel(url, model=at_once(1)), AsyncOpenAI(base_url=url, api_key="none"))
        try:
            yield both
        finally:
            await both.ours.close()
            await both.sdk.close()


async def _compared(both: Clients, pieces: int, model: str) -> Sides:
    async def ours() -> None:
        prompt = ChatPrompt()
        prompt.add_requester_msg("Go on.")
        async with aclosing(both.ours.stream(prompt, model=model, params={})) as reply:
            said = [piece async for piece in reply]
        assert len(said) == pieces + 1
        assert isinstance(said[-1], End)

    async def theirs() -> None:
        stream = await both.sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Go on."}], stream=True
        )
        assert len([chunk async for chunk in stream]) == pieces + 1

    sides, times = Sides(), both.effort.of(TIMES)
    for number in range(both.effort.rounds + 1):
        found = await _processor_seconds(ours, times), await _processor_seconds(theirs, times)
        if number:
            sides.pairs.append((found[0] / times, found[1] / times))
    return sides


async def _processor_seconds(work: Callable[[], Awaitable[None]], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        await work()
    return time.process_time() - begun
