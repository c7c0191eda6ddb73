"""Demonstration conversations over the public HTTP API, of one account or each of a user of its own."""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

from chatkeep.cli.http_client import Answer, Client
from chatkeep.cli.terminal.passwords import random_password
from chatkeep.cli.work.demo_conversations import DISPLAY_NAME, MADE_BY, DemoConversation
from chatkeep.errors import ChatkeepError, NotAuthenticated, RegistrationClosed

# Signing in and answering may be busy: ask again as often as this.
TRIES = 20
MAX_PAUSE_SECONDS = 10


class Refused(ChatkeepError):
    """The service answered with a problem."""

    code = "refused"


@dataclass(slots=True)
class Person:
    """The user of one demonstration conversation, and its result.

    Args:
        has_account: the client is signed in to an account that was there before.
        existed: an earlier run made the conversation, so that nothing was done.
        conversation_id: None until there is one.
        answered: how many prompts got a whole reply.
        kept: how many prompts came back as they were sent.
    """

    client: Client
    conversation: DemoConversation
    has_account: bool = False
    existed: bool = False
    conversation_id: str | None = None
    sent: int = 0
    answered: int = 0
    kept: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.conversation.id if self.has_account else self.conversation.username

    async def register(self) -> None:
        """Make the user, marked as a demonstration and signed in on this client, with a password that nobody knows.

        Raises:
            RegistrationClosed: the service takes nobody.
        """
        body = {"username": self.name, "password": random_password()}
        answer = await self._post("/api/v1/auth/register", body)
        code = _code(answer)
        if code == "registration_closed":
            raise RegistrationClosed(
                "The service accepts no new accounts. Start it with CHATKEEP_ALLOW_REGISTRATION=true, fill it, and "
                "close registration again."
            )
        if answer.status_code == 429:
            raise Refused(
                "the service accepts no more new accounts for now. Run the command again in "
                f"{math.ceil(_retry_after_seconds(answer) / 60)} min, or start the service with a higher "
                "CHATKEEP_MAX_REGISTRATIONS_PER_HOUR"
            )
        self.existed = code == "username_taken"
        if not self.existed:
            _require(answer, 201)
            _require(await self.client.patch("/api/v1/auth/me", json={"display_name": DISPLAY_NAME}), 200)

    async def begin(self) -> None:
        answer = await self._post("/api/v1/conversations", {"metadata": self.conversation.metadata})
        self.conversation_id = _require(answer, 201)["id"]

    async def say(self, number: int, prompt: str) -> None:
        """Send one prompt and wait for the end of the reply. A retry of the same never makes a second turn."""
        answer = await self._post(
            f"/api/v1/conversations/{self.conversation_id}/turns",
            {"content": prompt, "stream": False},
            {"Idempotency-Key": f"demo-{number}"},
        )
        turn = _require(answer, 201)
        self.sent += 1
        if turn["status"] == "complete":
            self.answered += 1
        else:
            error = turn["error"] or {}
            self.failures.append(f"{self.name}, prompt {number}: {turn['status']}. {error.get('detail', '')}".strip())

    async def compare(self) -> None:
        """Read the history back and compare it with what was sent, byte by byte."""
        if self.conversation_id is None:
            return
        found = [turn["prompt"]["content"] for turn in await self._history()]
        for number, prompt in enumerate(self.conversation.prompts[: self.sent]):
            if number < len(found) and found[number].encode() == prompt.encode():
                self.kept += 1
            else:
                self.failures.append(
                    f"{self.name}, prompt {number + 1}: the history differs from the prompt that was sent."
                )

    async def _history(self) -> list[dict[str, Any]]:
        turns: list[dict[str, Any]] = []
        params = {"order": "asc", "limit": "200"}
        while True:
            answer = await self.client.get(f"/api/v1/conversations/{self.conversation_id}/turns", params=params)
            page = _require(answer, 200)
            turns += page["items"]
            if page["next_cursor"] is None:
                return turns
            params["cursor"] = page["next_cursor"]

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
        """Post; where the service is full, wait as long as it says and ask again."""
        for _ in range(TRIES):
            answer = await self.client.post(path, json=body, headers=headers)
            if answer.status_code not in (429, 503) or _retry_after_seconds(answer) > TRIES * MAX_PAUSE_SECONDS:
                break
            await asyncio.sleep(min(_retry_after_seconds(answer), MAX_PAUSE_SECONDS))
        return answer


async def demo_conversations_of(client: Client) -> set[str]:
    """Return the ids of the demonstrations that the account has from earlier runs.

    Raises:
        NotAuthenticated: the service does not know the client's token.
    """
    found: set[str] = set()
    params = {"limit": "200"}
    while True:
        answer = await client.get("/api/v1/conversations", params=params)
        if answer.status_code == 401:
            raise NotAuthenticated("The service does not know this token.")
        page = _require(answer, 200)
        found |= {
            str(item["metadata"].get("demo")) for item in page["items"] if MADE_BY.items() <= item["metadata"].items()
        }
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


def _require(answer: Answer, status: int) -> dict[str, Any]:
    """Return the answer's body.

    Raises:
        Refused: it has another status, or is no JSON.
    """
    body = _json(answer)
    if answer.status_code != status or body is None:
        raise Refused(f"{answer.status_code} {_code(answer) or answer.reason_phrase}")
    return body


def _code(answer: Answer) -> str | None:
    """Return the problem's code, or None where the answer is no problem."""
    code = (_json(answer) or {}).get("code")
    return code if isinstance(code, str) else None


def _json(answer: Answer) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _retry_after_seconds(answer: Answer) -> int:
    given = answer.headers.get("retry-after", "")
    return int(given) if given.isdecimal() else 1
