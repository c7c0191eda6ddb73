"""Clients: each function is one round of one of them, and cleans up after itself."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import httpx2

from tests.soak.site import Site

Round = Callable[[Site], Awaitable[None]]

TURNS_OF_A_CONVERSATION = 5
LINES_BEFORE_LEAVING = 8
IMPORTED_CONVERSATIONS = 5
PAGES = ("/", "/account", "/docs", "/get_load", "/healthz")
ADMINISTRATION = (
    "/api/v1/admin/users?limit=50",
    "/api/v1/admin/users?q=soak",
    "/api/v1/admin/history?limit=50",
    "/api/v1/admin/history?q=streams",
    "/api/v1/admin/audit",
    "/api/v1/admin/stats",
    "/metrics",
    "/console/users",
    "/console/history?q=streams",
    "/console/statistics",
    "/console/audit",
    "/console/running",
)
MARKDOWN = "# Tea\n\n| a | b |\n|---|---|\n| *x* | `y` |\n\n```python\nprint(1)\n```\n" * 20
CUT = (httpx2.RemoteProtocolError, httpx2.ReadError)


async def signs_in_and_out(site: Site) -> None:
    async with site.client() as client:
        if await site.sign_in(client, site.someone().username):
            await site.ask(client, "GET", "/api/v1/auth/me", 200)
            await site.ask(client, "POST", "/api/v1/auth/logout", 204)


async def guesses_a_password(site: Site) -> None:
    async with site.client() as client:
        body = {"username": f"nobody-{secrets.token_hex(4)}", "password": "wrong"}
        await site.ask(client, "POST", "/api/v1/auth/login", 401, json=body)
    await asyncio.sleep(2)


async def comes_and_leaves_for_good(site: Site) -> None:
    async with site.client() as client:
        if person := await site.register(client):
            await person.client.patch("/api/v1/auth/me", json={"display_name": "A visitor"})
            await site.ask(client, "DELETE", "/api/v1/auth/me", 204, json={"password": "tests have long passwords"})


async def reads_streams(site: Site) -> None:
    person = site.someone()
    conversation = await site.conversation(person.client)
    if conversation is None:
        return
    for _ in range(TURNS_OF_A_CONVERSATION):
        await _streamed(site, person.client, f"/api/v1/conversations/{conversation}/turns")
    await site.ask(person.client, "GET", f"/api/v1/conversations/{conversation}/turns", 200)
    await site.ask(person.client, "DELETE", f"/api/v1/conversations/{conversation}", 204)


async def _streamed(site: Site, client: httpx2.AsyncClient, turns: str, *, lines: int | None = None) -> str | None:
    """Take a turn and read it, or some lines of it; return its id."""
    async with client.stream("POST", turns, json={"content": site.prompt(), "stream": True}) as answer:
        if not site.took(answer, 200, 409):
            return None
        return await _read(answer, lines)


async def _read(answer: httpx2.Response, lines: int | None) -> str | None:
    turn_id: str | None = None
    left = lines
    async for line in answer.aiter_lines():
        if turn_id is None and line.startswith("data: "):
            turn_id = json.loads(line[6:]).get("id")
        if left is not None:
            left -= 1
            if left <= 0:
                break
    return turn_id


async def leaves_streams_and_comes_back(site: Site) -> None:
    person = site.someone()
    conversation = await site.conversation(person.client)
    if conversation is None:
        return
    turns = f"/api/v1/conversations/{conversation}/turns"
    turn = await _streamed(site, person.client, turns, lines=LINES_BEFORE_LEAVING)
    if turn is not None:
        async with person.client.stream("GET", f"{turns}/{turn}/events", headers={"Last-Event-ID": "0"}) as answer:
            if site.took(answer, 200):
                await _read(answer, LINES_BEFORE_LEAVING)
        await site.ask(person.client, "POST", f"{turns}/{turn}/stop", 202, 409)
        await site.ask(person.client, "PUT", f"{turns}/{turn}/feedback", 200, 409, json={"rating": 1})
    await site.ask(person.client, "DELETE", f"/api/v1/conversations/{conversation}", 204)


async def waits_for_whole_replies(site: Site) -> None:
    person = site.someone()
    conversation = await site.conversation(person.client)
    if conversation is None:
        return
    body = {"content": site.prompt(), "stream": False}
    await site.ask(person.client, "POST", f"/api/v1/conversations/{conversation}/turns", 201, json=body)
    await site.ask(person.client, "DELETE", f"/api/v1/conversations/{conversation}", 204)


async def imports(site: Site) -> None:
    async with site.client() as client:
        if await site.register(client) is None:
            return
        file = json.dumps([_foreign_conversation() for _ in range(IMPORTED_CONVERSATIONS)]).encode()
        headers = {"Content-Type": "application/octet-stream"}
        await site.ask(client, "POST", "/api/v1/import", 200, 201, content=file, headers=headers)
        await site.ask(client, "POST", "/api/v1/import", 200, 422, content=b"[" * 5_000, headers=headers)
        async with client.stream("GET", "/api/v1/export") as answer:
            if site.took(answer, 200):
                await answer.aread()
        await site.ask(client, "DELETE", "/api/v1/auth/me", 204, json={"password": "tests have long passwords"})


def _foreign_conversation() -> dict[str, object]:
    return {
        "id": secrets.token_hex(8),
        "title": "Tea",
        "create_time": 1_760_000_000,
        "mapping": {
            "r": {"id": "r", "children": ["u"]},
            "u": {"parent": "r", "message": {"author": {"role": "user"}, "content": {"parts": ["Which tea? " * 50]}}},
            "a": {"parent": "u", "message": {"author": {"role": "assistant"}, "content": {"parts": ["Green. " * 300]}}},
        },
    }


async def leaves_exports(site: Site) -> None:
    administrator = site.chance.choice(site.administrators)
    async with administrator.client.stream("GET", "/api/v1/admin/history/export") as answer:
        if site.took(answer, 200):
            async for _ in answer.aiter_bytes():
                break
    async with site.someone().client.stream("GET", "/api/v1/export") as answer:
        if site.took(answer, 200):
            await answer.aread()
    await asyncio.sleep(1)


async def searches(site: Site) -> None:
    person = site.someone()
    for words in ("streams", "日本", '"word streams"', secrets.token_hex(4)):
        await site.ask(person.client, "GET", "/api/v1/search", 200, params={"q": words})
    await asyncio.sleep(0.5)


async def administers(site: Site) -> None:
    administrator = site.chance.choice(site.administrators)
    for path in ADMINISTRATION:
        await site.ask(administrator.client, "GET", path, 200)
    await asyncio.sleep(1)


async def revokes_sessions(site: Site) -> None:
    """A second browser reads a reply; the first ends its session."""
    async with site.client() as first, site.client() as second:
        person = await site.register(first)
        if person is None or not await site.sign_in(second, person.username):
            return
        if (conversation := await site.conversation(second)) is None:
            return
        reading = asyncio.create_task(_read_until_cut(site, second, conversation))
        await asyncio.sleep(0.3)
        await site.ask(first, "DELETE", "/api/v1/auth/sessions", 204)
        await reading
        await site.ask(second, "GET", "/api/v1/auth/me", 401, 200)
        await site.ask(first, "DELETE", "/api/v1/auth/me", 204, 401, json={"password": "tests have long passwords"})


async def _read_until_cut(site: Site, client: httpx2.AsyncClient, conversation: str) -> None:
    try:
        await _streamed(site, client, f"/api/v1/conversations/{conversation}/turns")
    except CUT:
        return


async def chats_as_chatstream(site: Site) -> None:
    async with site.client() as client:
        if await site.register(client) is None:
            return
        for lines in (None, 2):
            body = {"user_input": site.prompt(), "regenerate": False}
            async with client.stream("POST", "/chat_stream", json=body) as answer:
                if site.took(answer, 200):
                    await _bytes(answer, lines)
        await site.ask(client, "POST", "/set_generation_params", 200, json={"temperature": 0.5})
        await site.ask(client, "GET", "/get_prompt", 200)
        await site.ask(client, "POST", "/clear_context", 200)
        await site.ask(client, "GET", "/get_load", 200)
        await site.ask(client, "DELETE", "/api/v1/auth/me", 204, json={"password": "tests have long passwords"})


async def _bytes(answer: httpx2.Response, pieces: int | None) -> None:
    count = 0
    async for _ in answer.aiter_bytes():
        count += 1
        if count == pieces:
            return


async def is_a_guest(site: Site) -> None:
    async with site.client() as client:
        if (conversation := await site.conversation(client)) is None:
            return
        await _streamed(site, client, f"/api/v1/conversations/{conversation}/turns")
        await site.ask(client, "DELETE", "/api/v1/auth/me", 204, json={})
    await asyncio.sleep(2)


async def looks_at_pages(site: Site) -> None:
    person = site.someone()
    for path in PAGES:
        await site.ask(person.client, "GET", path, 200)
    await site.ask(person.client, "POST", "/web/markdown", 200, json={"text": MARKDOWN})
    async with site.client() as stranger:
        await site.ask(stranger, "GET", f"/nowhere/{secrets.token_hex(8)}", 404)
    await asyncio.sleep(0.5)


async def sends_half_a_request(site: Site) -> None:
    place = urlsplit(site.url)
    _, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\n{")
    await asyncio.sleep(site.chance.choice((0.1, 3)))
    writer.transport.abort()


# Each, and how many do it at once.
ACTORS: Mapping[Round, int] = {
    signs_in_and_out: 1,
    guesses_a_password: 1,
    comes_and_leaves_for_good: 1,
    reads_streams: 3,
    leaves_streams_and_comes_back: 2,
    waits_for_whole_replies: 1,
    imports: 1,
    leaves_exports: 1,
    searches: 1,
    administers: 1,
    revokes_sessions: 1,
    chats_as_chatstream: 1,
    is_a_guest: 1,
    looks_at_pages: 1,
    sends_half_a_request: 1,
}
