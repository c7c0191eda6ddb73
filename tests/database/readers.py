"""Everybody who reads what the tables hold: each address that can be got, each list to its end, each sweep."""

import json
from collections.abc import Iterator
from uuid import UUID

import httpx2
from fastapi.routing import APIRoute

from chatkeep.app.maintenance import cleanup, retain
from chatkeep.audit.verification import verify
from chatkeep.chat.generation.recovery import Recovery
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.search.indexer import index_pending
from chatkeep.clock import utc_now
from chatkeep.statistics.counters import count_notes
from tests.database.filled import WORDS, Filled
from tests.support.running_service import Person, RunningService

SOME = 4
# Of a list that never ends there are more pages than that.
MAX_PAGES = 100
LISTS = (
    "/api/v1/conversations",
    "/api/v1/files",
    "/api/v1/auth/sessions",
    "/api/v1/auth/tokens",
    "/api/v1/auth/me/access-log",
    "/api/v1/admin/users",
    "/api/v1/admin/history",
    "/api/v1/admin/audit",
)
TIMES = {"from": "2026-01-01T00:00:00Z", "to": "9998-01-01T00:00:00Z"}
THOUGHT = {"q": f"{WORDS} in:reasoning"}
EVER = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999999Z"}
# What an address is asked with, one after the other, beside nothing.
ASKED: dict[str, list[dict[str, str]]] = {
    "/api/v1/conversations": [{"q": "some"}, {"archived": "false"}, {"pinned": "true"}],
    "/api/v1/conversations/{conversation_id}/turns": [{"order": "asc", "limit": "4"}, {"order": "desc", "limit": "4"}],
    "/api/v1/conversations/{conversation_id}/export": [
        {"format": name} for name in ("json", "markdown", "jsonl", "html", "zip")
    ],
    "/api/v1/search": [{"q": WORDS, "limit": "4"}, {"q": "東京"}, THOUGHT],
    "/api/v1/admin/users": [{"q": "subject"}, {"disabled": "false"}],
    "/api/v1/admin/history": [
        TIMES,
        EVER,
        {"q": WORDS, "limit": "5"},
        THOUGHT,
        {"username": "subject", "status": "complete"},
    ],
    "/api/v1/admin/history/export": [{"format": "csv"}, EVER | {"format": "jsonl"}],
    "/api/v1/admin/stats": [{"bucket": each} for each in ("hour", "day", "week")],
    "/api/v1/admin/audit": [TIMES, EVER, {"limit": "50"}],
    "/console/history": [{"q": "something"}, {"username": "subject"}],
    "/console/statistics": [{"period": each} for each in ("day", "week", "month", "year")],
    "/console/audit": [{"limit": "5"}],
    "/web/conversations/{conversation_id}/turns": [{"first": "0"}],
    "/web/console/conversations/{conversation_id}/turns": [{"first": "0"}],
}
# A stream that another process writes ends when that does; the pages' own files are no rows.
LEFT = ("/static/", "/healthz", "/docs", "/api/v1/openapi.json")


class Failed(AssertionError):
    """Somebody could not read."""


async def read_all(service: RunningService, filled: Filled, admin: Person) -> None:
    """Have everybody read everything.

    Raises:
        Failed: says who could not.
    """
    async with service.client(headers={"Authorization": f"Bearer {next(iter(filled.tokens), '')}"}) as program:
        for address, asked in _addresses(service, filled):
            asker = program if address.startswith("/v1/") else _asker(address, filled, admin)
            await _read(asker, address, asked)
    for secret in filled.tokens:
        async with service.client(headers={"Authorization": f"Bearer {secret}"}) as program:
            await _read(program, "/api/v1/auth/me", {})
    for address in LISTS:
        await _read_to_the_end(_asker(address, filled, admin), address)
    await _export_and_import(filled, admin)
    await _look_after(service)


def _asker(address: str, filled: Filled, admin: Person) -> httpx2.AsyncClient:
    return (admin if "/admin/" in address or "/console" in address else filled.person).client


def _addresses(service: RunningService, filled: Filled) -> Iterator[tuple[str, dict[str, str]]]:
    for path in sorted({route.path for route in service.app.routes if isinstance(route, APIRoute)}):
        routes = [route for route in service.app.routes if isinstance(route, APIRoute) and route.path == path]
        if path.startswith(LEFT) or not any("GET" in (route.methods or ()) for route in routes):
            continue
        for asked in ({}, *ASKED.get(path, ())):
            yield from ((address, asked) for address in _filled_in(path, filled))


def _filled_in(path: str, filled: Filled) -> list[str]:
    if path.startswith("/v1/"):
        return _filled_in_openais(path, filled)
    if "{file_id}" in path:
        return [path.format(user_id=filled.person.id, file_id=each) for each in filled.files]
    if "{turn_id}" in path:
        return [path.format(conversation_id=one, turn_id=turn) for one, turn in filled.turns]
    if "{conversation_id}" in path:
        return [path.format(conversation_id=each) for each in filled.conversations]
    if "{chat_id:path}" in path:
        return [path.replace("{chat_id:path}", each) for each in filled.conversations]
    if "{receipt}" in path:
        return [path.format(receipt="0-1")]
    if "{user_id}" in path:
        return [path.format(user_id=filled.person.id)]
    assert "{" not in path, path
    return [path]


def _filled_in_openais(path: str, filled: Filled) -> list[str]:
    of_turns = [
        {
            "conversation_id": f"conv_{UUID(conversation).hex}",
            "response_id": f"resp_{UUID(turn).hex}",
            "completion_id": f"chatcmpl-{UUID(turn).hex}",
            "item_id": f"msg_{UUID(turn).hex}_0",
            "file_id": f"file-{UUID(filled.files[0]).hex}",
        }
        for conversation, turn in filled.turns
    ]
    plain = path.replace("{model_id:path}", "m")
    return sorted({plain.format(**each) for each in of_turns})


async def _read(client: httpx2.AsyncClient, address: str, asked: dict[str, str]) -> httpx2.Response:
    try:
        answer = await (
            _begun(client, address) if address.endswith(("/events", "/stream")) else client.get(address, params=asked)
        )
    except httpx2.HTTPError as error:
        raise Failed(f"{address} {asked}: {error!r}") from error
    if answer.status_code >= 500:
        raise Failed(f"{address} {asked}: {answer.status_code} {answer.text[:200]}")
    return answer


async def _begun(client: httpx2.AsyncClient, address: str) -> httpx2.Response:
    """Read the beginning of a stream, which may go on for as long as another process writes."""
    async with client.stream("GET", address) as answer:
        if answer.status_code == 200:
            await anext(answer.aiter_lines(), "")
        return answer


async def _read_to_the_end(client: httpx2.AsyncClient, address: str) -> None:
    """Read a list two by two: everything on it comes, and comes once."""
    whole = [each["id"] for each in (await _read(client, address, {"limit": "200"})).json()["items"]]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        page = (await _read(client, address, {"limit": str(SOME)} | cursor)).json()
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None or len(seen) >= len(whole):
            break
        cursor = {"cursor": page["next_cursor"]}
    # What administrators read is on record, and their list grows at its new end.
    if seen[: len(whole)] != whole and "audit" not in address:
        raise Failed(f"{address}: {len(whole)} at once, {len(seen)} two by two, {len(set(seen))} of them once")


async def _export_and_import(filled: Filled, admin: Person) -> None:
    """A user's export can be imported into another account, which is told of the parts that cannot be kept."""
    exported = await _read(filled.person.client, "/api/v1/export", {})
    for line in exported.text.split("\n")[:-1]:
        json.loads(line)
    whole = await _read(filled.person.client, "/api/v1/export", {"format": "zip"})
    for sent in (exported, whole):
        answer = await admin.client.post("/api/v1/import", content=sent.content)
        if answer.status_code >= 500:
            raise Failed(f"import: {answer.status_code} {answer.text[-300:]}")


async def _look_after(service: RunningService) -> None:
    """Do what is done now and then; some of it deletes."""
    accounts, database = service.app.state.accounts, service.database
    await verify(database, accounts.trail.keys)
    await index_pending(database)
    async with database.transaction() as connection:
        await count_notes(connection)
    await Recovery(service.chat.turn_store, Replica(database, utc_now, lease_seconds=10)).interrupt_stalled()
    await retain(database, accounts.trail, {"user": 1, "admin": 1, "guest": 1})
    await cleanup(accounts)
    await service.chat.files.sweep()
