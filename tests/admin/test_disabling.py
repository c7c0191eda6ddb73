"""Disabling a user stops what is being answered for them."""

import asyncio

from tests.support.events import streaming
from tests.support.models import HeldModel
from tests.support.running_service import running

USERS = "/api/v1/admin/users"


async def test_disabling_stops_what_is_being_answered(shared_database_url: str) -> None:
    model = HeldModel("Hel", None, "lo")
    async with running(shared_database_url, model=model, flush_interval_ms=30) as service:
        admin, person = await service.administrator(), await service.person()
        conversation = await person.conversation()
        async with streaming(person, conversation, "Hi") as events:
            await anext(events)
            await admin.client.patch(f"{USERS}/{person.id}", json={"disabled": True})
            async with asyncio.timeout(5):
                done = [event async for event in events][-1]
        assert (done.data["status"], done.data["reply"]["content"]) == ("stopped", "Hel")
        assert model.stopped == 1
