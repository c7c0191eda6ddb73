"""Users take turns, and no place is lost."""

import asyncio
from uuid import UUID

from chatkeep.fair_queue import FairQueue
from chatkeep.ids import new_id


class Served:
    """Tasks that take a place of a queue, note whose it was, and hold it until they are let go."""

    def __init__(self, queue: FairQueue) -> None:
        self.order: list[UUID] = []
        self._queue = queue
        self._let_go = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, user_id: UUID) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.create_task(self._hold(user_id)))
        await settled()
        return self.tasks[-1]

    async def end_one(self) -> None:
        self.let_go()
        await settled()

    def let_go(self) -> None:
        self._let_go.release()

    async def _hold(self, user_id: UUID) -> None:
        async with self._queue.place(user_id):
            self.order.append(user_id)
            await self._let_go.acquire()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_users_take_turns_however_much_one_asks_for() -> None:
    served = Served(FairQueue(1))
    greedy, modest, late = new_id(), new_id(), new_id()
    for user in (greedy, greedy, greedy, greedy, modest, modest, late):
        await served.ask(user)
    for _ in range(7):
        await served.end_one()
    assert served.order == [greedy, greedy, modest, late, greedy, modest, greedy]


async def test_who_has_fewest_places_is_next() -> None:
    served = Served(FairQueue(3))
    greedy, modest = new_id(), new_id()
    for user in (greedy, greedy, greedy, greedy, modest):
        await served.ask(user)
    await served.end_one()
    assert served.order[3:] == [modest]


async def test_who_stops_waiting_takes_no_place() -> None:
    served = Served(FairQueue(1))
    first, second, third = new_id(), new_id(), new_id()
    await served.ask(first)
    waiting = await served.ask(second)
    await served.ask(third)
    waiting.cancel()
    await settled()
    await served.end_one()
    assert served.order == [first, third]


async def test_a_place_given_to_who_stops_in_the_same_moment_is_passed_on() -> None:
    served = Served(FairQueue(1))
    first, second, third = new_id(), new_id(), new_id()
    holding = await served.ask(first)
    waiting = await served.ask(second)
    await served.ask(third)
    holding.cancel()
    await asyncio.sleep(0)  # the place is given to the second, which has not run yet
    waiting.cancel()
    await settled()
    assert served.order == [first, third]
    await served.end_one()
    async with asyncio.timeout(5):
        async with served._queue.place(first):
            assert not served._queue._waiting


async def test_a_user_has_no_more_places_than_one_may_have() -> None:
    served = Served(FairQueue(2, max_per_user=1))
    greedy, modest = new_id(), new_id()
    for user in (greedy, greedy, greedy, modest):
        await served.ask(user)
    assert served.order == [greedy, modest]
    for _ in range(4):
        await served.end_one()
    assert served.order == [greedy, modest, greedy, greedy]
    async with asyncio.timeout(5), served._queue.place(greedy), served._queue.place(modest):
        assert not served._queue._waiting


async def test_who_is_cancelled_as_a_place_becomes_free_harms_nobody() -> None:
    """A reply that was whole ended as failed, as the place that it gave up went to a reply that was just stopped."""
    served = Served(FairQueue(1))
    first, second, third = new_id(), new_id(), new_id()
    holder = await served.ask(first)
    stopped = await served.ask(second)
    again = await served.ask(second)
    waits = await served.ask(third)
    served.let_go()
    stopped.cancel()
    again.cancel()
    await settled()
    assert holder.done()
    assert holder.exception() is None
    assert stopped.cancelled()
    assert again.cancelled()
    assert served.order == [first, third]
    await served.end_one()
    assert waits.exception() is None
    assert await asyncio.wait_for(served.ask(second), 1)
    assert served.order[-1] == second
