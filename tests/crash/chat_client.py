"""Somebody who chats: asks, reads, comes back after every interruption, and never takes an answer on trust."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tests.crash.clients import SEVERAL_TRIES_PAUSE_SECONDS, Away, Browser, Refused, Site
from tests.crash.processes import Replica
from tests.crash.replies import prompt_for, reply_to
from tests.support.events import Event

SEVERAL_PIECES = (1, 12)


@dataclass
class Asked:
    """One turn as its client knows it."""

    prompt: str
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    turn_id: str = ""
    text: str = ""
    over: bool = False
    stopped_at: float | None = None

    @property
    def whole(self) -> str:
        return reply_to(self.prompt)


class Chatter:
    """Takes one turn after the other in a conversation.

    Args:
        lengths: of the replies, in pieces: at least and at most.
        restless: how often, of 1, a stream is left after a few pieces and gone on with elsewhere.
        stops: how often, of 1, a reply is stopped then, at another replica than the one that it is read from.
    """

    def __init__(
        self,
        site: Site,
        browser: Browser,
        conversation_id: str,
        *,
        lengths: tuple[int, int],
        restless: float = 0.0,
        stops: float = 0.0,
    ) -> None:
        self.asked: Asked | None = None
        self.finished = 0
        self.came_back = 0
        self.stop_seconds: list[float] = []
        self._site = site
        self._browser = browser
        self._turns = f"/api/v1/conversations/{conversation_id}/turns"
        self._conversation_id = conversation_id
        self._lengths = lengths
        self._restless = restless
        self._stops = stops

    @property
    def is_reading(self) -> bool:
        """Whether it is in the middle of a reply."""
        asked = self.asked
        return asked is not None and bool(asked.text) and not asked.over

    async def run(self) -> None:
        while not self._site.ending:
            await self.take_turn()

    async def take_turn(self) -> Asked:
        """Ask, and come back until the turn has ended."""
        key = secrets.token_hex(16)
        asked = self.asked = Asked(prompt_for(key, self._site.chance.randint(*self._lengths)), key)
        await self._site.log.keep(
            "asked",
            key=asked.key,
            prompt=asked.prompt,
            username=self._browser.username,
            conversation=self._conversation_id,
        )
        while not asked.over:
            try:
                await self._read(asked)
            except Away:
                continue
            except Refused as refused:
                await self._take_refusal(asked, refused)
        return asked

    async def _read(self, asked: Asked) -> None:
        leaves_after = self._site.chance.randint(*SEVERAL_PIECES) if self._happens(self._restless) else None
        replica = await self._site.replicas.one()
        if not asked.turn_id:
            self._site.log.note("tried", key=asked.key, replica=replica.name, life=replica.endings)
        async with self._stream(asked, replica) as events:
            async for event in events:
                await self._take(asked, event)
                if leaves_after is not None and event.name == "delta":
                    leaves_after -= 1
                    if leaves_after == 0:
                        await self._leave(asked, replica)
                        return

    async def _leave(self, asked: Asked, replica: Replica) -> None:
        """Stop reading, and perhaps stop the reply."""
        self.came_back += 1
        if asked.stopped_at is not None or not self._happens(self._stops):
            return
        other = await self._site.replicas.one(other_than=replica)
        self._site.log.note("stop_asked", key=asked.key)
        answer = await self._browser.ask("POST", f"{self._turns}/{asked.turn_id}/stop", at=other)
        fits = answer.status_code in (202, 503)
        self._site.findings.require(fits, "only 503, and in time", f"a stop was answered with {answer.status_code}")
        if answer.status_code == 202:
            asked.stopped_at = time.monotonic()

    def _happens(self, chance: float) -> bool:
        return self._site.chance.random() < chance

    def _stream(self, asked: Asked, replica: Replica) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        if asked.turn_id:
            headers = {"Last-Event-ID": str(len(asked.text))}
            return self._browser.events("GET", f"{self._turns}/{asked.turn_id}/events", headers=headers, at=replica)
        headers = {"Idempotency-Key": asked.key}
        return self._browser.events("POST", self._turns, {"content": asked.prompt}, headers=headers, at=replica)

    async def _take(self, asked: Asked, event: Event) -> None:
        match event.name:
            case "turn":
                await self._take_turn(asked, event)
            case "delta":
                self._take_text(asked, event)
            case "done":
                await self._take_end(asked, event)

    async def _take_turn(self, asked: Asked, event: Event) -> None:
        found = event.data["id"]
        if not asked.turn_id:
            asked.turn_id = found
            await self._site.log.keep("kept", key=asked.key, turn=found)
        self._site.findings.require(found == asked.turn_id, "one turn for a key", f"{asked.key}: {found} as well")

    def _take_text(self, asked: Asked, event: Event) -> None:
        asked.text += event.data["text"]
        fits = event.id == len(asked.text) and asked.whole.startswith(asked.text)
        self._site.findings.require(
            fits, "replies are whole", f"{asked.turn_id} at {event.id}: {event.data['text']!r} does not go on"
        )
        self._site.log.note("received", key=asked.key, characters=len(asked.text))

    async def _take_end(self, asked: Asked, event: Event) -> None:
        asked.over = True
        self.finished += event.data["status"] == "complete"
        if event.data["status"] == "stopped" and asked.stopped_at is not None:
            self.stop_seconds.append(time.monotonic() - asked.stopped_at)
        reply = event.data["reply"]
        content = reply["content"] if reply else ""
        if event.data["status"] == "complete":
            right = content == asked.whole == asked.text
        else:
            right = asked.whole.startswith(content)
        detail = f"{asked.turn_id} {event.data['status']}: {len(content)} kept, {len(asked.text)} read"
        self._site.findings.require(right, "replies are whole", detail)
        await self._site.log.keep("done", key=asked.key, status=event.data["status"], characters=len(content))

    async def _take_refusal(self, asked: Asked, refused: Refused) -> None:
        findings = self._site.findings
        match refused.status:
            case 503:
                # Whether it was begun is not known to anyone but the database.
                self._site.log.note("doubted", key=asked.key)
            case 409 | 429:
                self._site.log.note("put_off", key=asked.key, code=refused.code)
            case 404 if asked.turn_id:
                findings.add("prompts are kept", f"{asked.turn_id} was acknowledged and is gone")
                asked.over = True
            case 401:
                findings.add("sessions outlive the process", f"{self._browser.username} is signed out")
                asked.over = True
            case _:
                findings.add("only 503, and in time", f"asking was answered with {refused}")
                asked.over = True
        await asyncio.sleep(SEVERAL_TRIES_PAUSE_SECONDS)
