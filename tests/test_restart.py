"""The real command: started, stopped, killed and started again."""

import asyncio
import secrets
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pytest

from tests.cli.command_runner import SECRET_KEY, Command
from tests.support.events import streaming
from tests.support.process import ServeProcess, serving
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, Person

LONG = "count to 400"


async def sign_up(service: ServeProcess, client: httpx2.AsyncClient, username: str) -> Person:
    answer = await client.post("/api/v1/auth/register", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return Person(client, answer.json()["id"], username)


def client_of(service: ServeProcess, cookies: httpx2.Cookies | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=service.url, cookies=cookies, timeout=30)


async def ended_turn(person: Person, conversation: str) -> dict[str, Any]:
    """Return the newest turn as soon as it does not stream any more."""
    async with asyncio.timeout(20):
        while (turn := (await person.turns(conversation))[0])["status"] == "streaming":
            await asyncio.sleep(0.1)
        return turn


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGINT])
async def test_a_restart_keeps_turns_and_cookies(database_url: str, tmp_path: Path, number: signal.Signals) -> None:
    """After Ctrl-C; `test_conversations.py` has one after SIGTERM, too."""
    async with serving(tmp_path, database_url=database_url) as service, client_of(service) as client:
        alice = await sign_up(service, client, f"alice-{secrets.token_hex(4)}")
        conversation = await alice.conversation()
        turn = await alice.say(conversation, "My name is Alice.")
        cookies = client.cookies
        assert await service.end(number) == 0
    async with serving(tmp_path, database_url=database_url) as service, client_of(service, cookies) as client:
        alice = Person(client, alice.id, alice.username)
        assert await alice.turns(conversation) == [turn]
        again = await alice.say(conversation, "What is my name?")
        assert "Alice" in again["reply"]["content"]


async def test_a_killed_service_loses_nothing_that_was_seen(database_url: str, tmp_path: Path) -> None:
    # Its lease lasts for long: the next start on the same machine sees by itself that the process is gone.
    settings = {"database_url": database_url, "lease_seconds": 600, "flush_interval_ms": 50}
    seen = ""
    async with serving(tmp_path, **settings) as service, client_of(service) as client:
        alice = await sign_up(service, client, f"alice-{secrets.token_hex(4)}")
        conversation = await alice.conversation()
        async with streaming(alice, conversation, LONG) as events:
            begun = await anext(events)
            async for event in events:
                seen += event.data["text"]
                if len(seen) > 200:
                    break
            await asyncio.sleep(0.4)
            await service.end(signal.SIGKILL)
        cookies = client.cookies
    async with serving(tmp_path, **settings) as service, client_of(service, cookies) as client:
        alice = Person(client, alice.id, alice.username)
        turn = await ended_turn(alice, conversation)
        assert (turn["id"], turn["status"], turn["prompt"]["content"]) == (begun.data["id"], "interrupted", LONG)
        assert turn["reply"]["content"].startswith(seen)
        assert (await alice.say(conversation, "Go on"))["status"] == "complete"


async def test_told_to_stop_it_saves_what_it_was_saying(database_url: str, tmp_path: Path) -> None:
    settings = {"database_url": database_url, "shutdown_grace_seconds": 1, "lease_seconds": 600}
    seen = ""
    async with serving(tmp_path, **settings) as service, client_of(service) as client:
        alice = await sign_up(service, client, f"alice-{secrets.token_hex(4)}")
        conversation = await alice.conversation()
        async with streaming(alice, conversation, LONG) as events:
            await anext(events)
            seen += (await anext(events)).data["text"]
            ending = asyncio.create_task(service.end())
            try:
                async for event in events:
                    seen += event.data.get("text", "")
            except httpx2.HTTPError:
                pass  # the connection ends with the service
        assert await ending == 0
        cookies = client.cookies
    async with serving(tmp_path, **settings) as service, client_of(service, cookies) as client:
        turn = (await Person(client, alice.id, alice.username).turns(conversation))[0]
        assert turn["status"] == "interrupted"
        assert turn["reply"]["content"].startswith(seen)


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
async def test_told_to_stop_it_ends_what_it_was_saying_and_is_seen_to_go(
    database_url: str, tmp_path: Path, workers: int
) -> None:
    settings = {"database_url": database_url, "shutdown_grace_seconds": 60, "workers": workers}
    async with serving(tmp_path, **settings) as service, client_of(service) as client:
        alice = await sign_up(service, client, f"alice-{secrets.token_hex(4)}")
        conversation, another = await alice.conversation(), await alice.conversation()
        async with streaming(alice, conversation, "count to 60") as events:
            await anext(events)
            await anext(events)
            ending = asyncio.create_task(service.end())
            await until_draining(service)
            refused = await alice.client.post(f"/api/v1/conversations/{another}/turns", json={"content": "Hi"})
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_generations")
            last = [event async for event in events][-1]
        assert (last.name, last.data["status"]) == ("done", "complete")
        assert "58 59 60" in last.data["reply"]["content"]
        assert await ending == 0


async def test_who_got_a_connection_is_answered_also_when_it_no_longer_listens(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database_url=database_url) as service, client_of(service) as client:
        host, port = service.url.removeprefix("http://").split(":")
        late = [await asyncio.open_connection(host, int(port)) for _ in range(10)]
        # Accepted after them, and answered: so they are accepted, too.
        async with asyncio.timeout(20):
            assert (await client.get("/healthz")).status_code == 200
            ending = asyncio.create_task(service.end())
            while await is_listening(host, int(port)):
                await asyncio.sleep(0.01)
            for reader, writer in late:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
                writer.close()
            assert await ending == 0


async def is_listening(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def until_draining(service: ServeProcess) -> None:
    async with asyncio.timeout(20):
        while True:
            answer = await asyncio.to_thread(httpx2.get, f"{service.url}/readyz")
            if answer.status_code == 503:
                assert answer.json()["code"] == "draining"
                return
            await asyncio.sleep(0.05)


async def test_one_command_from_nothing_on_the_embedded_database(tmp_path: Path) -> None:
    """As `make run` starts it, twice, and a second one beside the first."""
    with TemporaryDirectory(prefix="chatkeep-") as data_dir:
        settings = {"data_dir": data_dir, "secret_key": "", "cookie_secure": ""}
        async with serving(tmp_path, "--local", "--migrate", **settings) as service:
            password = service.log.partition("Password ")[2].split()[0]
            async with client_of(service) as client:
                body = {"username": "admin", "password": password}
                assert (await client.post("/api/v1/auth/login", json=body)).json()["role"] == "admin"
                cookies = client.cookies
            async with (
                serving(tmp_path, "--local", "--migrate", **settings) as beside,
                client_of(beside, cookies) as client,
            ):
                assert (await client.get("/api/v1/auth/me")).json()["username"] == "admin"
        async with (
            serving(tmp_path, "--local", "--migrate", **settings) as service,
            client_of(service, cookies) as client,
        ):
            assert (await client.get("/api/v1/admin/users")).status_code == 200
            assert "password" not in service.log


async def refused(tmp_path: Path, *options: str, **settings: object) -> str:
    """Return the words of a service that does not start."""
    if "--workers" not in options and "workers" not in settings:
        return await refused_at_once(tmp_path, *options, **settings)
    with pytest.raises(AssertionError) as said:
        async with serving(tmp_path, *options, **settings):
            pass
    assert "exit 1" in str(said.value)
    assert "Traceback" not in str(said.value)
    return " ".join(str(said.value).split())


async def refused_at_once(tmp_path: Path, *options: str, **settings: object) -> str:
    """Do the same for one that has no workers, in a process that need not load everything first."""
    values = {"secret_key": SECRET_KEY, "cookie_secure": "false"} | settings
    port = () if "--port" in options else ("--port", "0")
    ran = await Command(tmp_path)(
        *("serve", *port, *options), **{f"CHATKEEP_{name.upper()}": str(value) for name, value in values.items()}
    )
    assert ran.code == 1
    return " ".join((ran.out + ran.err).split())


async def test_it_refuses_to_start_unsafely_and_says_what_to_do(database_url: str, tmp_path: Path) -> None:
    url = {"database_url": database_url}
    assert "CHATKEEP_SECRET_KEY is not set" in await refused(tmp_path, **url, secret_key="")
    assert "at least 32" in await refused(tmp_path, **url, secret_key="short")
    example = "your-session-secret-key-your-session-secret-key"
    assert "an example" in await refused(tmp_path, **url, secret_key=example)
    assert "CHATKEEP_WORKERS" in await refused(tmp_path, **url, workers="many")
    absent = await refused(tmp_path, database_url="postgresql://nobody:hunter2@127.0.0.1:1/none")
    assert "nothing listens there" in absent
    assert "hunter2" not in absent


async def test_it_refuses_a_database_that_is_not_migrated(server_url: str, tmp_path: Path) -> None:
    from tests.support.databases import create_database, drop_database

    url = await create_database(server_url)
    try:
        assert "chatkeep db upgrade" in await refused(tmp_path, database_url=url)
        async with serving(tmp_path, "--migrate", database_url=url, admin_password=ADMIN_PASSWORD) as service:
            assert httpx2.get(f"{service.url}/readyz").status_code == 200
    finally:
        await drop_database(server_url, url)


async def test_a_taken_port_is_explained(database_url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database_url=database_url) as service:
        port = service.url.rpartition(":")[2]
        said = await refused(tmp_path, "--port", port, database_url=database_url)
        assert f"Cannot listen on 127.0.0.1:{port}" in said
        assert "--port" in said
