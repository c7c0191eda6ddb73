"""The model is asked for as many replies as it shows that it can answer, and people take turns for the rest."""

import asyncio
from collections.abc import Callable

from chatkeep.chat.generation.model_queue import MIN_UNANSWERED, Asker, ModelQueue
from chatkeep.ids import new_id
from tests.test_fair_queue import settled


class Server:
    """Replies that are asked for, each until it is told to go on."""

    def __init__(self, queue: ModelQueue) -> None:
        self.queue = queue
        self.asked: list[Asker] = []
        self.unanswered: list[Callable[[], None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Event] = []

    async def ask(self, *askers: Asker) -> None:
        self.tasks += [asyncio.create_task(self._reply(asker)) for asker in askers]
        await settled()

    async def answer(self, count: int) -> None:
        """Give the first token of replies that were asked for."""
        for _ in range(count):
            self.unanswered.pop(0)()
        await settled()

    async def end(self, count: int) -> None:
        for _ in range(count):
            self._ends.pop(0).set()
        await settled()

    async def _reply(self, asker: Asker) -> None:
        async with self.queue.place(asker) as note_answer:
            self.asked.append(asker)
            self.unanswered.append(note_answer)
            end = asyncio.Event()
            self._ends.append(end)
            await end.wait()


def account() -> Asker:
    return Asker(new_id(), is_guest=False)


def guest() -> Asker:
    return Asker(new_id(), is_guest=True)


async def test_a_server_that_answers_nothing_is_asked_for_few() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(account() for _ in range(500)))
    assert (len(server.asked), server.queue.waiting) == (MIN_UNANSWERED, 500 - MIN_UNANSWERED)


async def test_a_server_with_one_slot_is_asked_for_one_more_with_each_answer() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(account() for _ in range(500)))
    for ended in range(20):
        await server.answer(1)
        assert len(server.asked) == MIN_UNANSWERED + 1 + ended
        await server.end(1)
        assert len(server.asked) == MIN_UNANSWERED + 1 + ended


async def test_a_server_that_answers_at_once_is_soon_asked_for_all() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(account() for _ in range(2000)))
    rounds = 0
    while server.queue.waiting:
        await server.answer(len(server.unanswered))
        rounds += 1
    assert rounds <= 7
    assert len(server.asked) == 2000


async def test_it_is_never_asked_for_more_than_it_may_be() -> None:
    server = Server(ModelQueue(40))
    await server.ask(*(account() for _ in range(100)))
    await server.answer(MIN_UNANSWERED)
    assert len(server.asked) == 40
    await server.end(10)
    assert len(server.asked) == 50
    await server.answer(len(server.unanswered))
    assert len(server.asked) == 50


async def test_a_first_token_counts_once() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(account() for _ in range(100)))
    (first, *_) = server.unanswered
    for _ in range(10):
        first()
    await settled()
    assert len(server.asked) == MIN_UNANSWERED + 1


async def test_when_all_has_ended_it_begins_anew() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(account() for _ in range(200)))
    while server.queue.waiting or server.unanswered:
        await server.answer(len(server.unanswered))
    await server.end(200)
    await server.ask(*(account() for _ in range(100)))
    assert len(server.asked) == 200 + MIN_UNANSWERED


async def test_an_account_comes_before_guests() -> None:
    server = Server(ModelQueue(1))
    await server.ask(guest(), guest(), guest())
    late = account()
    await server.ask(late)
    await server.end(1)
    assert server.asked[1] == late


async def test_guests_alone_are_answered_as_fast_as_the_server_can() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(guest() for _ in range(100)))
    while server.queue.waiting:
        await server.answer(len(server.unanswered))
    assert len(server.asked) == 100


async def test_guests_leave_half_of_what_is_unanswered_to_accounts() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*(guest() for _ in range(100)))
    assert len(server.asked) == MIN_UNANSWERED // 2
    accounts = [account() for _ in range(MIN_UNANSWERED // 2)]
    await server.ask(*accounts)
    assert server.asked[MIN_UNANSWERED // 2 :] == accounts


async def test_who_leaves_the_queue_takes_no_place() -> None:
    server = Server(ModelQueue(1))
    await server.ask(account(), account(), account())
    server.tasks[1].cancel()
    await settled()
    await server.end(1)
    assert len(server.asked) == 2
    assert server.queue.waiting == 0


async def test_one_account_leaves_half_of_what_is_unanswered_to_others() -> None:
    server = Server(ModelQueue(2000))
    greedy, modest = account(), account()
    await server.ask(*[greedy] * 100)
    assert len(server.asked) == MIN_UNANSWERED // 2
    await server.ask(modest)
    assert server.asked[-1] == modest


async def test_one_account_alone_is_answered_as_fast_as_the_server_can() -> None:
    server = Server(ModelQueue(2000))
    await server.ask(*[account()] * 1000)
    rounds = 0
    while server.queue.waiting:
        await server.answer(len(server.unanswered))
        rounds += 1
    assert rounds <= 12


async def test_a_guest_who_leaves_as_their_turn_comes_takes_no_place_for_ever() -> None:
    server = Server(ModelQueue(1))
    for _ in range(MIN_UNANSWERED):
        holder, leaving = guest(), guest()
        await server.ask(holder, leaving)
        (called,) = server.queue._queue._waiting[leaving]
        server._ends.pop(0).set()
        while not called.done():
            await asyncio.sleep(0)
        server.tasks[-1].cancel()  # called and cancelled in one moment
        await settled()
        assert server.tasks[-1].cancelled()
    await server.ask(guest())
    assert server.queue.waiting == 0
    assert server.queue._queue._unanswered_guests == 1


async def test_one_account_alone_has_all_that_the_operator_allows() -> None:
    server = Server(ModelQueue(3))
    await server.ask(*[account()] * 5)
    assert len(server.asked) == 3
