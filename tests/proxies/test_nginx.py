"""The nginx of docs/operating.md: what passes through it, and how."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from chatkeep.config import Settings
from tests.proxies import documented
from tests.proxies.places import BEHIND, ROOT, Place, agreed_protocol, behind_nginx, proxied_client
from tests.proxies.servers import nginx_running
from tests.support.programs import free_port
from tests.support.running_service import PASSWORD, running
from tests.web.models import TaughtModel

REGISTER, CONVERSATIONS = "/api/v1/auth/register", "/api/v1/conversations"
STREAMS = ("events", "chat_stream")


@pytest.fixture
async def place(
    shared_database_url: str, folder: Path, signed: tuple[Path, Path], model: TaughtModel
) -> AsyncIterator[Place]:
    async with behind_nginx(ROOT, shared_database_url, folder, signed, model=model) as place:
        yield place


@pytest.fixture
def model() -> TaughtModel:
    return TaughtModel()


async def registered(client: httpx2.AsyncClient) -> str:
    name = f"user-{secrets.token_hex(6)}"
    answer = await client.post(REGISTER, json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return name


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_reply_comes_piece_by_piece_through_nginxs_buffers(place: Place, model: TaughtModel, kind: str) -> None:
    model.teach("story", "first", None, " second", " third")
    async with place.client() as client:
        await registered(client)
        if kind == "events":
            conversation = (await client.post(CONVERSATIONS, json={})).json()["id"]
            path, body = f"{CONVERSATIONS}/{conversation}/turns", {"content": "story", "stream": True}
        else:
            path, body = "/chat_stream", {"user_input": "story"}
        seen = ""
        async with client.stream("POST", path, json=body) as answer, asyncio.timeout(60):
            assert answer.status_code == 200
            pieces = answer.aiter_text()
            while "first" not in seen:
                seen += await anext(pieces)
            assert "second" not in seen
            model.go_on("story")
            async for piece in pieces:
                seen += piece
        assert "third" in seen


async def test_every_stream_asks_nginx_not_to_wait(shared_database_url: str) -> None:
    """Seen from the service's side: nginx takes the header for itself."""
    async with running(shared_database_url) as service:
        person, administrator = await service.person(), await service.administrator()
        conversation = f"{CONVERSATIONS}/{await person.conversation()}"
        say = {"content": "hello", "stream": True}
        answers = [
            await person.client.post(f"{conversation}/turns", json=say),
            await person.client.post("/chat_stream", json={"user_input": "hello"}),
            await person.client.get("/api/v1/export"),
            await person.client.get(f"{conversation}/export?format=jsonl"),
            await administrator.client.get("/api/v1/admin/history/export"),
            await administrator.client.post("/web/console/audit/verification"),
        ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-accel-buffering"] == "no", answer.url


async def test_writes_are_known_by_host_and_port_and_others_are_refused(place: Place) -> None:
    async with place.client(Origin=place.origin) as client:
        await registered(client)  # without Sec-Fetch-Site: an old browser
        for other in ("https://evil.example", f"https://{documented.NAME}", f"https://{documented.NAME}:1", "null"):
            answer = await client.post(CONVERSATIONS, json={}, headers={"Origin": other})
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request"), other
        assert (await client.post(CONVERSATIONS, json={})).status_code == 201


async def test_what_a_client_says_of_proxies_is_not_passed_on(place: Place) -> None:
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.example"}
    claims |= {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "99", "X-Forwarded-For": "192.0.2.99"}
    async with place.client(**claims) as client:
        assert "evil" not in (await client.get("/")).text
        docs = (await client.get("/docs")).text
        assert f"{place.origin}/api/v1/auth/me" in docs
        assert "evil.example" not in docs
        await registered(client)
        (session,) = (await client.get("/api/v1/auth/sessions")).json()["items"]
        assert session["ip"] == "127.0.0.1"


async def test_large_files_and_the_services_own_bounds_pass(place: Place) -> None:
    async with place.client() as client:
        await registered(client)
        conversation = (await client.post(CONVERSATIONS, json={"title": "large"})).json()["id"]
        line = json.loads((await client.get(f"{CONVERSATIONS}/{conversation}/export")).text)
        line |= {"id": "another", "metadata": {"padding": "x" * 12_000_000}}
        answer = await client.post("/api/v1/import", content=json.dumps(line).encode())
        assert answer.headers["content-type"].startswith("application/json"), answer.text
        # nginx's own bound is a megabyte; this one is the service's, with its own words.
        answer = await client.post(CONVERSATIONS, json={"title": "x" * 2_000_000})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_documented_bound_of_nginx_is_the_services_own() -> None:
    server, _ = documented.blocks("nginx")
    assert Settings.model_fields["max_import_bytes"].default == 1024**3
    assert "client_max_body_size 1g;" in server


async def test_figures_are_not_for_the_world_and_http2_is_spoken(place: Place) -> None:
    async with place.client() as client:
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/")).headers["strict-transport-security"] == "max-age=63072000"
    assert await asyncio.to_thread(agreed_protocol, place.port) == "h2"


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "{own}"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
    ],
)
async def test_a_plain_proxy_pass_changes_host_and_only_the_browsers_own_word_helps(
    shared_database_url: str,
    folder: Path,
    signed: tuple[Path, Path],
    headers: dict[str, str],
    passes: bool,
) -> None:
    certificate, key = signed
    async with running(shared_database_url, **(BEHIND | {"trusted_proxies": ""})) as service:
        port = free_port()
        server = f"""server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
            location / {{ proxy_pass {service.url}; }} }}"""
        own = f"https://{documented.NAME}:{port}"
        async with nginx_running(folder, server, port), proxied_client(port) as client:
            await registered(client)
            sent = {name: value.format(own=own) for name, value in headers.items()}
            answer = await client.post(CONVERSATIONS, json={}, headers=sent)
    assert answer.status_code == (201 if passes else 403), answer.text


async def test_a_prefix_of_a_trusted_proxys_header_is_enough(
    shared_database_url: str, folder: Path, signed: tuple[Path, Path]
) -> None:
    """As Traefik's StripPrefix does it."""
    certificate, key = signed
    async with running(shared_database_url, **BEHIND) as service:
        port = free_port()
        server = f"""server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
            location /tools/chat/ {{ proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Prefix /tools/chat;
            proxy_pass {service.url}/; }} }}"""
        async with nginx_running(folder, server, port), proxied_client(port, "/tools/chat") as client:
            await registered(client)
            assert (await client.post(CONVERSATIONS, json={})).status_code == 201
            assert 'href="/tools/chat/account"' in (await client.get("/")).text
