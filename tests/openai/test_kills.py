"""A stream whose service is killed goes on elsewhere, from the very event that was seen last."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests.support.process import serving
from tests.test_restart import client_of, sign_up

LONG = "count to 400"
SEEN_DELTAS = 25
# Within 50 ms by the settings.
FLUSHED_SECONDS = 1.0


async def test_a_killed_services_response_is_read_to_its_end_on_another_replica(
    database_url: str, tmp_path: Path
) -> None:
    settings: dict[str, object] = {"database_url": database_url, "lease_seconds": 2, "flush_interval_ms": 50}
    async with serving(tmp_path, **settings) as one, serving(tmp_path, **settings) as two, client_of(one) as http:
        await sign_up(one, http, "alice")
        token = (await http.post("/api/v1/auth/tokens", json={"name": "openai"})).json()["token"]
        seen: list[Any] = []
        async with AsyncOpenAI(base_url=f"{one.url}/v1", api_key=token, max_retries=0) as client:
            stream = await client.responses.create(model="m", input=LONG, stream=True)
            async for event in stream:
                seen.append(event)
                if len([each for each in seen if each.type.endswith("delta")]) == SEEN_DELTAS:
                    break
            await asyncio.sleep(FLUSHED_SECONDS)
            await one.end(signal.SIGKILL)
            await stream.close()
        async with AsyncOpenAI(base_url=f"{two.url}/v1", api_key=token, max_retries=0) as client:
            response_id, after = seen[0].response.id, seen[-1].sequence_number
            resumed = await client.responses.retrieve(response_id, stream=True, starting_after=after)
            rest = [event async for event in resumed]
            kept = await client.responses.retrieve(response_id)
            far = await client.responses.retrieve(response_id, stream=True, starting_after=after + 10_000)
            end = [event async for event in far]
            again = [event async for event in await client.responses.retrieve(response_id, stream=True)]
        assert min(event.sequence_number for event in rest) > after
        assert text_of(seen) + text_of(rest) == kept.output_text == text_of(again)
        assert rest[-1].type == "response.failed"
        # A client that saw words which were lost with the process is told the end, too.
        assert [(event.type, event.sequence_number) for event in end] == [("response.failed", after + 10_001)]
        assert kept.status == "failed"
        # The events that both have are the same.
        whole = {event.sequence_number: event.to_dict() for event in again if not event.type.endswith("delta")}
        assert all(whole[each.sequence_number] == each.to_dict() for each in seen + rest if each.type[-5:] != "delta")


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")
