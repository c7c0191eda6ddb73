"""Turns through the OpenAI-compatible API, beside the same turns by the service's own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

from bench import bars
from bench.bulk_data import MESSAGE_CHARACTERS
from bench.model_app import in_one
from bench.requests import PIECES, asker, connections, whole_answer
from bench.rounds import Side, at, interleaved
from bench.run import Findings
from bench.servers import request
from bench.texts import turns_of
from bench.web import Web

TURNS, RESPONSES, COMPLETIONS = "/turns", "/responses", "/chat/completions"
# Each is asked the same again and again: all sides add another answer to the one turn that it has.
CONVERSATIONS = 40
TIMES = 100
_processor, _time = attrgetter("service"), attrgetter("seconds_of_one")


async def api_turn(running: Web) -> Findings:
    """A turn below one that is kept, as JSON: named by its id, and found by the history that the client sends."""
    run = running.run
    case = f"a turn through each API, {at(1)}"
    async with sides(running) as opened:
        rounds = await interleaved(case, opened, run.server, run.effort, tasks=1, times=TIMES)
    figures = []
    for ours, beside, bar in ((RESPONSES, TURNS, None), (COMPLETIONS, RESPONSES, bars.COMPLETION)):
        figures += [
            rounds.ratio(f"{ours}: processor, beside {beside}", bar, _processor, beside, ours=ours),
            rounds.ratio(f"{ours}: time, beside {beside}", bar, _time, beside, ours=ours),
        ]
    return [*rounds.costs(), *figures]


@asynccontextmanager
async def sides(running: Web) -> AsyncIterator[list[Side]]:
    """Begin a conversation for each request, and open a connection for each side."""
    made = await running.client.post("/api/v1/auth/tokens", json={"name": "bench"})
    token = made.raise_for_status().json()["token"]
    requests: dict[str, list[bytes]] = {TURNS: [], RESPONSES: [], COMPLETIONS: []}
    for number, (prompt, following) in enumerate(turns_of(MESSAGE_CHARACTERS * 2, CONVERSATIONS)):
        # No two histories are the same.
        asked = await _begun(running, token, f"{number}: {prompt}")
        for name, each in asked(following).items():
            requests[name].append(each)
    async with (
        connections(running.service, 1) as one,
        connections(running.service, 1) as two,
        connections(running.service, 1) as three,
    ):
        yield [
            Side(name, asker(opened, requests[name], whole_answer), running.service.processor_seconds)
            for name, opened in zip(requests, (one, two, three), strict=True)
        ]


async def _begun(running: Web, token: str, prompt: str) -> Any:
    """Take a first turn; return what makes the requests for the one below it."""
    model, said = in_one(PIECES), {"role": "user", "content": prompt}
    answer = await running.client.post(
        "/v1/chat/completions",
        json={"model": model, "messages": [said]},
        headers={"Authorization": f"Bearer {token}"},
    )
    first = answer.raise_for_status().json()
    turn_id = first["id"].removeprefix("chatcmpl-")
    kept = await running.client.get(f"/v1/responses/resp_{turn_id}", headers={"Authorization": f"Bearer {token}"})
    assert kept.raise_for_status().json()["status"] == "completed"
    listed = (await running.client.get("/api/v1/conversations", params={"limit": 1})).json()["items"]
    conversation_id = listed[0]["id"]
    history = [said, {"role": "assistant", "content": first["choices"][0]["message"]["content"]}]

    def asked(following: str) -> dict[str, bytes]:
        bodies: dict[str, tuple[str, dict[str, Any]]] = {
            TURNS: (
                f"/api/v1/conversations/{conversation_id}/turns",
                {"content": following, "stream": False, "model": model, "parent_id": _dashed(turn_id)},
            ),
            RESPONSES: (
                "/v1/responses",
                {"model": model, "input": following, "previous_response_id": f"resp_{turn_id}"},
            ),
            COMPLETIONS: (
                "/v1/chat/completions",
                {"model": model, "messages": [*history, {"role": "user", "content": following}]},
            ),
        }
        return {
            name: request(
                running.service.port, "POST", path, json.dumps(body).encode(), Authorization=f"Bearer {token}"
            )
            for name, (path, body) in bodies.items()
        }

    return asked


def _dashed(hexadecimal: str) -> str:
    return "-".join(hexadecimal[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
