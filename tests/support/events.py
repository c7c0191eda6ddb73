"""Server-sent events as a browser reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.running_service import Person


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: int | None = None


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Yield the events in a stream's lines."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], json.loads(fields["data"]), int(fields["id"]) if "id" in fields else None)
            fields = {}


@asynccontextmanager
async def streaming(
    person: Person, conversation_id: str, content: str, *, headers: dict[str, str] | None = None, **body: Any
) -> AsyncIterator[AsyncIterator[Event]]:
    """Take a turn as a stream; yield its events."""
    async with person.client.stream(
        "POST",
        f"/api/v1/conversations/{conversation_id}/turns",
        json={"content": content, "stream": True, **body},
        headers=headers,
    ) as answer:
        if answer.status_code != 200:
            await answer.aread()
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read_events(answer.aiter_lines())


async def all_events(
    person: Person, conversation_id: str, content: str, *, headers: dict[str, str] | None = None, **body: Any
) -> list[Event]:
    async with streaming(person, conversation_id, content, headers=headers, **body) as events:
        return [event async for event in events]
