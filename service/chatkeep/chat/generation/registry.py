"""All replies that this process generates: detached from requests, bounded in number, written down as they come."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from sys import getsizeof
from typing import Protocol
from uuid import UUID

import structlog

from chatkeep.chat.generation.generation import Generation
from chatkeep.chat.generation.model_queue import Asker, ModelQueue
from chatkeep.chat.handler import RequestHandler
from chatkeep.chat.history.turn import OpenTurn, Outcome
from chatkeep.chat.models import End, LanguageModel, ModelError, ReplyTooLong, as_piece
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chat.schemas import Turn
from chatkeep.database.priority import Priority, priority
from chatkeep.errors import TooManyGenerations, Unavailable

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
END_RETRY_SECONDS = 0.5
SAVE_SECONDS = 5
# A model that never ends would fill the memory; with a database that is away, all of it has to wait here.
MAX_REPLY_CHARACTERS = 2_000_000
# Of the texts that all replies of a process hold for the model; one user's, a quarter. A prompt may have megabytes, and
# four bytes for each character, and waits for its turn also where its client has left.
MAX_HELD_BYTES = 256 * 1024 * 1024
# How a reply ends that the model did not bring to an end.
CUT = ("length", "content_filter")
NOTHING = "The model ended its reply without saying anything. Ask again."
INTERNAL_ERROR = "Something in this service went wrong. What was generated is kept."


class Observer(Protocol):
    """Is told of every generation, for figures."""

    def generation_began(self) -> None: ...

    def generation_asked(self) -> None:
        """It waits no longer: the model is asked, or it was ended before that."""

    def generation_ended(self, status: str) -> None: ...


class StartGeneration(Protocol):
    """Starts a generation; `model` answers this one in place of the service's."""

    def __call__(self, begun: OpenTurn, handler: RequestHandler, model: LanguageModel | None = None) -> Generation: ...


class GenerationRegistry:
    """The generations of one process.

    Args:
        max_running: how many the model is asked for at once at most; see `ModelQueue` for how many it is.
        max_waiting: how many more are taken in and wait until it is their user's turn. No user may have more than
            half of these, so that there is room for others.
    """

    def __init__(self, model: LanguageModel, *, max_running: int, max_waiting: int, observer: Observer) -> None:
        self.max_running = max_running
        self.max_waiting = max_waiting
        self._model = model
        self._observer = observer
        self._queue = ModelQueue(max_running)
        self._most = max_running + max_waiting
        self._max_per_user = max_running + (max_waiting + 1) // 2
        # Reserved or taken, by user; and the bytes of the texts that those hold.
        self._places: Counter[UUID] = Counter()
        self._held_bytes: Counter[UUID] = Counter()
        # Those of them who are guests. Anybody becomes one by asking: together they hold half of what runs at most.
        self._guests: set[UUID] = set()
        self._max_for_guests = max(1, max_running // 2)
        self._closing = False
        self._by_turn: dict[UUID, Generation] = {}

    def __len__(self) -> int:
        return len(self._by_turn)

    @property
    def running(self) -> int:
        """How many are not waiting for their turn."""
        return len(self._by_turn) - self._queue.waiting

    def all(self) -> list[Generation]:
        return list(self._by_turn.values())

    def by_turn(self, turn_id: UUID) -> Generation | None:
        return self._by_turn.get(turn_id)

    @contextlib.contextmanager
    def reserve(self, user_id: UUID, *, is_guest: bool = False) -> Iterator[StartGeneration]:
        """Reserve a place, before anything is stored; yield what starts the generation in it.

        Raises:
            TooManyGenerations: the service is full, or this user's or the guests' part of it is, or it is shutting
                down.
        """
        self.require_room()
        if is_guest:
            self._require_room_for_guest()
        if self._places[user_id] >= self._max_per_user or self._held_bytes[user_id] >= MAX_HELD_BYTES // 4:
            raise TooManyGenerations(
                "So many of your prompts are being answered that others would have to wait. Try again soon.",
                RETRY_AFTER_SECONDS,
            )
        started = False

        def start(begun: OpenTurn, handler: RequestHandler, model: LanguageModel | None = None) -> Generation:
            nonlocal started
            started = True
            return self._start(begun, handler, model or self._model)

        self._places[user_id] += 1
        if is_guest:
            self._guests.add(user_id)
        try:
            yield start
        finally:
            if not started:
                self._release(user_id)

    def require_room(self) -> None:
        """Refuse what nobody could get a place for.

        Raises:
            TooManyGenerations: the service is full, or it is shutting down.
        """
        if self._closing or self._places.total() >= self._most or self._held_bytes.total() >= MAX_HELD_BYTES:
            raise TooManyGenerations("The service is answering as many as it can. Try again soon.", RETRY_AFTER_SECONDS)

    def _require_room_for_guest(self) -> None:
        if sum(self._places[each] for each in self._guests) >= self._max_for_guests:
            raise TooManyGenerations(
                "As many guests are being answered as may be at once. Sign in, or try again soon.", RETRY_AFTER_SECONDS
            )

    def _release(self, user_id: UUID, size: int = 0) -> None:
        self._places[user_id] -= 1
        self._held_bytes[user_id] -= size
        if not self._places[user_id]:
            del self._places[user_id], self._held_bytes[user_id]
            self._guests.discard(user_id)

    def _start(self, begun: OpenTurn, handler: RequestHandler, model: LanguageModel) -> Generation:
        generation = Generation(begun)
        self._by_turn[begun.id] = generation
        self._observer.generation_began()
        size = _size_of(begun)
        self._held_bytes[begun.user_id] += size
        # Its user may be another one at its end, and the place is still this one's.
        asker = Asker(begun.user_id, begun.user_id in self._guests)
        run = self._run(generation, handler, model, asker, size)
        generation.task = asyncio.create_task(run, name=f"turn {begun.id}")
        return generation

    async def _run(
        self, generation: Generation, handler: RequestHandler, model: LanguageModel, asker: Asker, size: int
    ) -> None:
        turn: Turn | None = None
        priority.set(Priority.FINISH_TURN)  # of this task, no longer as the request that began the turn
        try:
            outcome = await self._outcome(generation, handler, model, asker)
            await generation.close_input()
            turn = await _keep(generation, handler, _with_reply(outcome, generation))
        except Exception:
            log.exception("turn_not_kept", turn_id=str(generation.begun.id))
        finally:
            # On every path: nobody may wait for ever, and no place may be lost.
            del self._by_turn[generation.begun.id]
            self._release(asker.user_id, size)
            self._observer.generation_ended(turn.status if turn else "lost")
            generation.finish(turn)

    async def _outcome(
        self, generation: Generation, handler: RequestHandler, model: LanguageModel, asker: Asker
    ) -> Outcome:
        begun = generation.begun
        try:
            async with self._place(generation, asker) as note_answer:
                prompt = await handler.chat_prompt(begun)
                if prompt.earlier_turns is not None:
                    generation.left_out = begun.position - prompt.earlier_turns
                return await _generate(generation, prompt, model, note_answer)
        except ModelError as error:
            return Outcome("failed", error_code=error.code, error_detail=error.detail)
        except asyncio.CancelledError:
            return Outcome(generation.cancel_status)
        except Exception:
            log.exception("generation_failed", turn_id=str(generation.begun.id))
            return Outcome("failed", error_code="internal_error", error_detail=INTERNAL_ERROR)

    @contextlib.asynccontextmanager
    async def _place(self, generation: Generation, asker: Asker) -> AsyncIterator[Callable[[], None]]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                note_answer = await stack.enter_async_context(self._queue.place(asker))
            finally:
                generation.is_queued = False
                self._observer.generation_asked()
            yield note_answer

    async def close(self, grace_seconds: float) -> None:
        """Take no more, let what runs end within `grace_seconds`, then save the rest as `interrupted`."""
        self._closing = True
        await self._all_ended(grace_seconds)
        for generation in self.all():
            generation.cancel("interrupted")
        await self._all_ended(SAVE_SECONDS)

    async def _all_ended(self, timeout_seconds: float) -> None:
        if tasks := [each.task for each in self.all() if each.task is not None]:
            log.info("waiting_for_generations", count=len(tasks), timeout_seconds=timeout_seconds)
            await asyncio.wait(tasks, timeout=timeout_seconds)


def _size_of(begun: OpenTurn) -> int:
    """Return how many bytes of memory the texts take that the model is to be shown."""
    earlier = sum(getsizeof(turn.prompt) + getsizeof(turn.reply) for turn in begun.earlier)
    texts = (text for item in begun.items or () for text in item.values() if isinstance(text, str))
    return getsizeof(begun.content) + sum(map(getsizeof, texts)) + earlier


async def _generate(
    generation: Generation, prompt: ChatPrompt, model: LanguageModel, note_answer: Callable[[], None]
) -> Outcome:
    begun, end = generation.begun, None
    async with aclosing(model.stream(prompt, model=begun.model, params=begun.params)) as pieces:
        async for said in pieces:
            note_answer()
            piece = as_piece(said)
            if isinstance(piece, End):
                end = piece
                continue
            generation.append(piece)
            if generation.log.size > MAX_REPLY_CHARACTERS:
                raise ReplyTooLong("The reply grew longer than this service keeps. What there was of it is kept.")
    return _ended_by_itself(end)


def _ended_by_itself(end: End | None) -> Outcome:
    """Return the outcome of a reply to whose end the model came, and how it says that it did."""
    if end is None:
        return Outcome("complete")
    outcome = Outcome("incomplete" if end.finish_reason in CUT else "complete", finish_reason=end.finish_reason)
    if end.usage is None:
        return outcome
    return replace(
        outcome,
        input_tokens=end.usage.input_tokens,
        output_tokens=end.usage.output_tokens,
        cached_tokens=end.usage.cached_tokens,
        reasoning_tokens=end.usage.reasoning_tokens,
    )


def _with_reply(outcome: Outcome, generation: Generation) -> Outcome:
    """Add what there is of the reply; one of nothing at all is no whole reply."""
    if outcome.status == "complete" and not generation.length:
        outcome = replace(outcome, status="failed", error_code="empty_reply", error_detail=NOTHING)
    return replace(
        outcome,
        reply=generation.log.text(),
        reply_items=generation.log.items(),
        left_out=generation.left_out,
        first_text_ms=generation.first_text_ms,
    )


async def _keep(generation: Generation, handler: RequestHandler, outcome: Outcome) -> Turn | None:
    """Keep the outcome; while the database is away the text waits here, and what was seen is not lost."""
    while True:
        try:
            return await handler.end_turn(generation.begun, outcome)
        except Unavailable:  # also where the statement was cancelled: somebody's timeout, an administrator, a standby
            await asyncio.sleep(END_RETRY_SECONDS)
