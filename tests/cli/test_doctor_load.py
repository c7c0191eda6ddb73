"""`chatkeep doctor` beside a running service: who waits for a reply, and for what."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from chatkeep.cli.doctor.findings import Findings, Level
from chatkeep.cli.doctor.load import look_at_load
from chatkeep.config import Settings
from tests.support.process import serving
from tests.upstream import Upstream

REPLIES = 3
ACCOUNT = {"username": "alice", "password": "tests have long passwords"}


async def ask(url: str, client: httpx2.AsyncClient) -> None:
    """Begin replies that wait for their first word, each in a conversation of its own."""
    assert (await client.post(f"{url}/api/v1/auth/register", json=ACCOUNT)).status_code == 201
    for _ in range(REPLIES):
        conversation = (await client.post(f"{url}/api/v1/conversations", json={})).json()["id"]
        body = {"content": "[slow-60000] Hello", "stream": True}
        async with client.stream("POST", f"{url}/api/v1/conversations/{conversation}/turns", json=body) as answer:
            assert answer.status_code == 200


async def found(settings: Settings) -> Findings:
    findings = Findings()
    await asyncio.to_thread(look_at_load, settings, findings)
    return findings


@pytest.mark.parametrize("token", [None, "a-token-of-the-monitoring-0123456789"])
async def test_it_says_when_the_limit_makes_people_wait(tmp_path: Path, database_url: str, token: str | None) -> None:
    limits: dict[str, object] = {"max_generations": 1, "shutdown_grace_seconds": 0}
    if token is not None:
        limits["metrics_token"] = token
    with Upstream() as upstream:
        async with serving(tmp_path, database_url=database_url, model_url=upstream.url, **limits) as service:
            settings = Settings.read(port=httpx2.URL(service.url).port, **limits)
            assert not list(await found(settings))
            async with httpx2.AsyncClient(trust_env=False, headers={"Origin": service.url}) as client:
                await ask(service.url, client)
            (warning,) = await found(settings)
            assert warning.level is Level.WARNING
            assert warning.what.startswith("2 replies wait for others to end, not for the model")
            assert "CHATKEEP_MAX_GENERATIONS=1" in warning.what
            wide = settings.model_copy(update={"max_generations": 100})
            (note,) = await found(wide)
            assert note.level is Level.NOTE
            assert note.what.startswith("2 replies wait for the model server")


async def test_a_service_that_is_not_there_is_passed_over() -> None:
    assert not list(await found(Settings.read(port=1)))
