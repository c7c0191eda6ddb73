"""Whether the service is as whole as before: somebody new signs up, chats, finds it again and takes it away."""

import asyncio

import httpx2

from tests.support.running_service import Person, RunningService

FOUND_SECONDS = 30


async def require_whole(service: RunningService) -> None:
    """Fail where something that everybody does works no more."""
    ready = await service.client().get("/readyz")
    assert ready.status_code == 200, ready.text
    person = await service.person()
    conversation = await person.conversation(title="whole")
    turn = await person.say(conversation, "Is everything as whole as before?")
    assert turn["status"] == "complete", turn
    assert [each["id"] for each in await person.turns(conversation)] == [turn["id"]]
    async with asyncio.timeout(FOUND_SECONDS):
        while not (await _asked(person, "/api/v1/search?q=whole"))["items"]:
            await asyncio.sleep(0.2)
    assert (await person.client.get("/api/v1/export")).status_code == 200
    assert (await person.client.get("/")).status_code == 200
    administrator = await service.administrator()
    for path in ("/api/v1/admin/users", "/api/v1/admin/history", "/api/v1/admin/audit", "/api/v1/admin/stats"):
        await _asked(administrator, path)
    async with asyncio.timeout(FOUND_SECONDS):
        while (await _asked(administrator, "/api/v1/admin/history?status=streaming"))["items"]:
            await asyncio.sleep(0.2)


async def _asked(person: Person, path: str) -> dict[str, list[object]]:
    answer: httpx2.Response = await person.client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    document: dict[str, list[object]] = answer.json()
    return document
