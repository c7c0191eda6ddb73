"""The test server itself, asked as any other client would ask it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.upstream import Upstream, known_replies
from tests.upstream.replies import made_reply

ASKED = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "一つ目"},
    {"role": "assistant", "content": "はい"},
    {"role": "user", "content": "second"},
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(api_key="key") as server:
        yield server


def ask(upstream: Upstream, key: str = "key", **body: object) -> httpx2.Response:
    return httpx2.post(
        f"{upstream.url}/chat/completions",
        json={"model": "test-model", "messages": ASKED, **body},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )


def test_a_reply_shows_the_whole_conversation(upstream: Upstream) -> None:
    answer = ask(upstream, temperature=0.5).json()
    reply = made_reply(["Be kind."], ["一つ目", "second"], ["はい"])
    assert answer["choices"][0]["message"]["content"] == reply
    assert "Turn 2" in reply
    assert "一つ目" in reply
    assert upstream.requests[-1].params == {"temperature": 0.5}


def test_a_streamed_reply_ends_with_done(upstream: Upstream) -> None:
    events = ask(upstream, stream=True).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]


def test_another_key_is_refused(upstream: Upstream) -> None:
    assert ask(upstream, key="other").status_code == 401


def test_a_prompt_can_ask_for_a_fault(upstream: Upstream) -> None:
    messages = [{"role": "user", "content": "[fault-500] hello"}]
    assert ask(upstream, messages=messages).status_code == 500


def test_it_serves_known_replies_from_the_command_line(tmp_path: Path) -> None:
    turns = [{"prompt": "挨拶して", "reply": "こんにちは"}, {"prompt": "unknown", "reply": None}]
    line = json.dumps({"id": "1", "language": "ja", "turns": turns})
    (tmp_path / "replies.jsonl").write_text(line + "\n", encoding="utf-8")
    assert known_replies(tmp_path / "replies.jsonl") == {"挨拶して": "こんにちは"}

    command = [sys.executable, "-m", "tests.upstream", "--port", "0", "--replies", str(tmp_path / "replies.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().rpartition(" ")[2].strip()
        messages = [{"role": "user", "content": "挨拶して"}]
        answer = httpx2.post(f"{url}/chat/completions", json={"messages": messages}, trust_env=False).json()
        server.terminate()
    assert answer["choices"][0]["message"]["content"] == "こんにちは"
