"""`ChatkeepSession` with the real openai-agents: the application of docs/extending.md, in their environment."""

from pathlib import Path

import httpx2
import pytest

from tests.clients.installed import Client, installed
from tests.docs.documents import ROOT, block_with
from tests.support.process import serving_by
from tests.upstream import Upstream

QUESTIONS = ("My name is Alice.", "What is my name?")


async def test_the_documented_application_keeps_what_its_agent_says(
    client: Client, shared_database_url: str, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(block_with("docs/extending.md", "from agents import Agent").text)
    variables = {"PYTHONPATH": str(ROOT / "service"), "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    for name, value in {**variables, "OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "none"}.items():
        monkeypatch.setenv(name, value)
    command = (str(installed() / "bin" / "python"), "-m", "chatkeep.cli")
    headers = {"Authorization": f"Bearer {client.user.token}"}
    async with (
        serving_by(command, tmp_path, "--app", "mine:app", database_url=shared_database_url) as service,
        httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60, trust_env=False) as http,
    ):
        answers = [(await http.get("/ask", params={"question": each})).json()["answer"] for each in QUESTIONS]
    assert answers[1].startswith("Turn 2. You wrote: What is my name?\nI was told: Be short.")
    # The service around it is this one's replica: the conversation is the user's there, too.
    assert await client.prompts() == [[QUESTIONS[0], answers[0], QUESTIONS[1], answers[1]]]
