"""Files on their way in, and what became of them."""

import json
from typing import Any

import httpx2

from tests.support.running_service import Person

IMPORT = "/api/v1/import"


async def send(person: Person, file: bytes | object, **options: Any) -> httpx2.Response:
    """Import bytes, or a value as JSON."""
    content = file if isinstance(file, bytes) else json.dumps(file).encode()
    return await person.client.post(IMPORT, content=content, **options)


async def imported(person: Person, file: bytes | object) -> dict[str, Any]:
    """Import a file that is expected to be imported; return the report."""
    answer = await send(person, file)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def only(person: Person, file: bytes | object) -> dict[str, Any]:
    """Import a file of one conversation; return it with all of its turns, as the export has it."""
    report = await imported(person, file)
    assert (report["imported"], report["failed"]) == (1, []), report
    (made,) = report["conversations"]
    return await whole(person, made["conversation_id"])


async def whole(person: Person, conversation_id: str) -> dict[str, Any]:
    answer = await person.client.get(f"/api/v1/conversations/{conversation_id}/export")
    found: dict[str, Any] = answer.json()
    return found


def said(conversation: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return the prompts and replies, turn by turn in the order of ids."""
    turns = sorted(conversation["turns"], key=lambda turn: str(turn["id"]))
    return [(turn["prompt"]["content"], turn["reply"] and turn["reply"]["content"]) for turn in turns]


def path(conversation: dict[str, Any]) -> list[str]:
    """Return the prompts of the active path, oldest first."""
    by_id = {turn["id"]: turn for turn in conversation["turns"]}
    found: list[str] = []
    at = conversation["head_turn_id"]
    while at is not None:
        found.insert(0, by_id[at]["prompt"]["content"])
        at = by_id[at]["parent_id"]
    return found


async def history(person: Person) -> list[dict[str, Any]]:
    """Return the whole account, as it is exported."""
    answer = await person.client.get("/api/v1/export")
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]
