"""Figures: valid Prometheus text, of one process and of several together."""

import asyncio
import json
import sys
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from chatkeep.app.metrics import SHARED_FOLDER, Metrics
from tests.support.process import CHATKEEP, environment, serving_by
from tests.support.running_service import RunningService


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every figure by its name and labels; fails where the text is not Prometheus'."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figure(service: RunningService, name: str, **labels: str) -> float:
    answer = await service.client().get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.text).get((name, tuple(sorted(labels.items()))), 0.0)


async def test_requests_are_counted_by_route_and_status(service: RunningService) -> None:
    labels = {"method": "GET", "route": "/api/v1/conversations", "status": "401"}
    before = await figure(service, "chatkeep_http_requests_total", **labels)
    await service.client().get("/api/v1/conversations?q=x")
    await service.client().get("/api/v1/conversations/")
    assert await figure(service, "chatkeep_http_requests_total", **labels) == before + 2
    del labels["status"]
    assert await figure(service, "chatkeep_http_request_seconds_count", **labels) >= 2


async def test_turns_are_counted_when_they_end(service: RunningService) -> None:
    person = await service.person()
    before = await figure(service, "chatkeep_turns_total", status="complete")
    await person.say(await person.conversation(), "Hello")
    assert await figure(service, "chatkeep_turns_total", status="complete") == before + 1
    assert await figure(service, "chatkeep_generations") == 0


async def test_the_process_is_measured(service: RunningService) -> None:
    assert await figure(service, "process_resident_memory_bytes") > 1_000_000


def test_names_and_help_are_prometheus_own_way() -> None:
    metrics = Metrics()
    metrics.request_ended("GET", "/x", 200, 0.1)
    metrics.generation_began()
    metrics.generation_ended("complete")
    for family in text_string_to_metric_families(metrics.text().decode()):
        assert family.documentation
        assert not family.name.endswith(("_ms", "_milliseconds", "_count"))


def test_what_clients_make_up_is_one_figure() -> None:
    metrics = Metrics()
    before = len(samples(metrics.text().decode()))
    for number in range(50):
        metrics.request_ended(f"MADE-UP-{number}", "(none)", 404, 0.1)
    assert len(samples(metrics.text().decode())) - before < 30


WORKER = """
import json, os, sys
from chatkeep.app.metrics import Metrics
metrics = Metrics()
metrics.request_ended("GET", "/x", 200, 0.1)
metrics.generation_began()
print(json.dumps(os.getpid()), flush=True)
sys.stdin.readline()
print(metrics.text().decode(), flush=True)
sys.stdin.readline()
"""


async def worker(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment() | {SHARED_FOLDER: str(folder)},
    )


async def test_workers_are_counted_together_and_the_dead_generate_nothing(tmp_path: Path) -> None:
    processes = [await worker(tmp_path) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        json.loads(await process.stdout.readline())
    first, second, killed = processes
    killed.kill()
    await killed.wait()
    output, _ = await first.communicate(b"\n\n")
    figures = samples(output.decode())
    labels = (("method", "GET"), ("route", "/x"), ("status", "200"))
    assert figures["chatkeep_http_requests_total", labels] == 3  # what was done stays done
    assert figures["chatkeep_generations", ()] == 2
    second.kill()
    await second.wait()


async def test_a_service_of_several_workers_has_one_set_of_figures(database_url: str, tmp_path: Path) -> None:
    # A program of its own: what counts for several processes is chosen when the library of figures is loaded.
    async with serving_by(CHATKEEP, tmp_path, "--workers", "2", database_url=database_url) as service:
        # A new connection each time: either worker may take it.
        for _ in range(30):
            async with httpx2.AsyncClient(base_url=service.url, timeout=30) as client:
                assert (await client.get("/healthz")).status_code == 200
        labels = (("method", "GET"), ("route", "/healthz"), ("status", "200"))
        seen: list[float] = []
        async with asyncio.timeout(30):
            while seen[-5:] != [30] * 5:  # the last one is counted a moment after its answer
                async with httpx2.AsyncClient(base_url=service.url, timeout=30) as client:
                    figures = samples((await client.get("/metrics")).text)
                seen.append(figures["chatkeep_http_requests_total", labels])
        assert figures["chatkeep_generations", ()] == 0
