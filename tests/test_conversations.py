"""Real conversations, many people at once, a real model server's protocol, and a restart in between."""

import asyncio
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.events import all_events
from tests.support.process import ServeProcess, serving
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, Person
from tests.upstream.server import Upstream

# A file of conversations to send, one a line; unset: the ones that come with the service.
GIVEN = "CHATKEEP_TEST_CONVERSATIONS"
OWN = Path(__file__).parents[1] / "service" / "chatkeep" / "cli" / "work" / "demo_conversations.jsonl"
AT_ONCE = 16


def conversations() -> list[dict[str, Any]]:
    lines = Path(os.environ.get(GIVEN) or OWN).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    replies = {turn["prompt"]: turn["reply"] for each in conversations() for turn in each["turns"] if turn["reply"]}
    with Upstream(replies=replies) as upstream:
        yield upstream


async def test_every_conversation_is_kept_byte_for_byte_and_over_a_restart(
    database_url: str, upstream: Upstream, tmp_path: Path
) -> None:
    given = conversations()
    settings = {
        "database_url": database_url,
        "model_url": upstream.url,
        "admin_password": ADMIN_PASSWORD,
        "log_level": "warning",
    }
    async with serving(tmp_path, "--workers", "2", **settings) as service:
        told = await _talk(service, given)
        before = await _histories(service, told)
        assert before == [each.turns for each in told]
        await _administrator_agrees(service, told)
        assert await service.end() == 0
    _check_replies(given, told, upstream)
    async with serving(tmp_path, **settings) as service:
        # The same cookies, on the new process.
        assert await _histories(service, told) == before
        await _administrator_agrees(service, told)
    assert PASSWORD not in service.log


class Told:
    """The prompts and replies of one user."""

    def __init__(self, username: str, cookies: httpx2.Cookies, conversation_id: str, turns: list[Any]) -> None:
        self.username = username
        self.cookies = cookies
        self.conversation_id = conversation_id
        self.turns = turns


async def _talk(service: ServeProcess, given: list[dict[str, Any]]) -> list[Told]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(conversation: dict[str, Any]) -> Told:
        async with places, httpx2.AsyncClient(base_url=service.url, timeout=60) as client:
            username = f"{conversation['id']}-{secrets.token_hex(3)}"
            body = {"username": username, "password": PASSWORD}
            answer = await client.post("/api/v1/auth/register", json=body)
            assert answer.status_code == 201, answer.text
            person = Person(client, answer.json()["id"], username)
            conversation_id = await person.conversation(metadata={"category": conversation["category"]})
            turns = []
            for number, turn in enumerate(conversation["turns"]):
                if number % 2:
                    turns.append(await person.say(conversation_id, turn["prompt"]))
                else:
                    turns.append((await all_events(person, conversation_id, turn["prompt"]))[-1].data)
            return Told(username, client.cookies, conversation_id, turns)

    return await asyncio.gather(*(one(conversation) for conversation in given))


async def _histories(service: ServeProcess, told: list[Told]) -> list[list[Any]]:
    async def one(each: Told) -> list[Any]:
        async with httpx2.AsyncClient(base_url=service.url, cookies=each.cookies, timeout=60) as client:
            return await Person(client, "", each.username).turns(each.conversation_id, order="asc")

    places = asyncio.Semaphore(AT_ONCE)

    async def in_place(each: Told) -> list[Any]:
        async with places:
            return await one(each)

    return await asyncio.gather(*(in_place(each) for each in told))


def _check_replies(given: list[dict[str, Any]], told: list[Told], upstream: Upstream) -> None:
    for conversation, each in zip(given, told, strict=True):
        assert [turn["prompt"]["content"] for turn in each.turns] == [turn["prompt"] for turn in conversation["turns"]]
        for turn, expected in zip(each.turns, conversation["turns"], strict=True):
            assert turn["status"] == "complete"
            assert turn["reply"]["content"] == (expected["reply"] or turn["reply"]["content"])
            assert turn["reply"]["content"]
    # What the model was shown last holds the conversation so far.
    shown = {
        json.dumps(request.messages[-1]["content"]): request.messages
        for request in upstream.requests
        if request.messages
    }
    for conversation in given:
        messages = shown[json.dumps(conversation["turns"][-1]["prompt"])]
        assert conversation["turns"][0]["prompt"] in [message["content"] for message in messages]


async def _administrator_agrees(service: ServeProcess, told: list[Told]) -> None:
    async with httpx2.AsyncClient(base_url=service.url, timeout=60) as client:
        body = {"username": "admin", "password": ADMIN_PASSWORD}
        assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
        found = await _all(client, "/api/v1/admin/history", limit="200")
        expected = {turn["id"]: (each.username, turn) for each in told for turn in each.turns}
        assert {turn["id"] for turn in found} == set(expected)
        for turn in found:
            username, own = expected[turn["id"]]
            assert turn["username"] == username
            assert {name: turn[name] for name in own} == own
        assert [turn["id"] for turn in found] == sorted((turn["id"] for turn in found), reverse=True)
        for each in told[:5]:
            of_one = await _all(client, "/api/v1/admin/history", username=each.username.upper())
            assert [turn["id"] for turn in of_one] == [turn["id"] for turn in reversed(each.turns)]
            path = f"/api/v1/admin/conversations/{each.conversation_id}/turns"
            assert await _all(client, path, order="asc") == each.turns
        users = await _all(client, "/api/v1/admin/users", role="user", limit="200")
        counts = {user["username"]: (user["conversation_count"], user["turn_count"]) for user in users}
        assert counts == {each.username: (1, len(each.turns)) for each in told}


async def _all(client: httpx2.AsyncClient, path: str, **params: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        answer = await client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if (cursor := answer.json()["next_cursor"]) is None:
            return items
        params = {**params, "cursor": cursor}
