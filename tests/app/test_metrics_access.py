"""Figures at a port of their own, or for a token."""

import socket
from pathlib import Path

import httpx2
import pytest

from chatkeep.errors import ConfigurationError
from tests.app.test_metrics import samples
from tests.http.test_bodies import code_of
from tests.support.process import CHATKEEP, serving, serving_by
from tests.support.programs import free_port
from tests.support.running_service import running, settings_for

TOKEN = "a-token-for-tests:0123456789"


async def test_with_a_token_the_figures_are_for_whoever_has_it(database_url: str) -> None:
    async with running(database_url, metrics_token=TOKEN) as service:
        client = service.client()
        for given in (None, f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}"):
            answer = await client.get("/metrics", headers={"Authorization": given} if given else {})
            assert code_of(answer, 401) == "metrics_token_required"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert samples(answer.text)
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_with_a_port_of_their_own_they_are_nowhere_else(database_url: str, tmp_path: Path, workers: str) -> None:
    port = free_port()
    # Several are programs: what counts for them is chosen when the library of figures is loaded.
    program = CHATKEEP if workers == "2" else None
    async with serving_by(
        program, tmp_path, "--workers", workers, database_url=database_url, metrics_port=port, metrics_token=TOKEN
    ) as service:
        apart = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(timeout=30, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert samples((await client.get(f"{apart}/metrics")).text)
            for path in ("/metrics", "/metrics/"):
                answer = await client.get(f"{service.url}{path}", headers={"Host": f"127.0.0.1:{port}"})
                assert code_of(answer, 404) == "not_found"
            for path in ("/", "/api/v1/auth/me", "/docs"):
                assert code_of(await client.get(f"{apart}{path}"), 404) == "not_found"
                assert (await client.get(f"{service.url}{path}")).status_code in (200, 401)
            for url in (service.url, apart):
                assert (await client.get(f"{url}/readyz")).status_code == 200
        assert await service.end() == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port)).close()


async def test_a_port_that_is_taken_is_named(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="CHATKEEP_METRICS_PORT") as caught:
            async with serving(tmp_path, database_url=database_url, metrics_port=port):
                pass
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"metrics_port": 8000, "port": 8000}, "CHATKEEP_METRICS_PORT"),
        ({"metrics_port": 0}, "CHATKEEP_METRICS_PORT"),
        ({"metrics_token": "short"}, "CHATKEEP_METRICS_TOKEN"),
    ],
)
def test_settings_that_protect_nothing_are_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        settings_for("postgresql://nobody@127.0.0.1:1/nothing", **changes)
    assert "short" not in str(caught.value)


async def test_an_address_that_is_not_this_machines_is_named(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="CHATKEEP_METRICS_HOST"):
        async with serving(tmp_path, database_url=database_url, metrics_port=free_port(), metrics_host="192.0.2.1"):
            pass
