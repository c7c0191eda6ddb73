"""A shell as a reader has it: `chatkeep` on the path, a folder of one's own, none of this machine's settings."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from tests.docs.documents import ROOT
from tests.support.process import SECRET_KEY

SECONDS = 120
# As the documents have them.
DATABASE_URL = "postgresql://chatkeep:…@db.example.org/chatkeep"
ADMIN_PASSWORD = "first admin password"
# What serves never ends: it is left running, on a port that is free, and what follows meets it as in another terminal.
# A leader of a session of its own, so that it can be ended with all that it started.
_LEFT_RUNNING = """
LEAD='import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])'
"$CHATKEEP_PYTHON" -c "$LEAD" -m {module} "$@" --port 0 >"$CHATKEEP_FOLDER/serve.out" 2>&1 &
echo $! >"$CHATKEEP_FOLDER/serve.pid"
for i in $(seq 900); do
  port=$(sed -nE 's/^{ready} on http:.*:([0-9]+)( .*)?$/\\1/p' "$CHATKEEP_FOLDER/serve.out")
  [ -n "$port" ] && (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null && exit 0
  kill -0 $! 2>/dev/null || {{ cat "$CHATKEEP_FOLDER/serve.out" >&2; exit 1; }}
  sleep 0.1
done
exit 1
"""
_CHATKEEP = """#!/bin/bash
if [ "$1" != serve ]; then exec "$CHATKEEP_PYTHON" -m tests.docs.patient "$@"; fi
""" + _LEFT_RUNNING.format(module="chatkeep.cli", ready="listening")
_UVICORN = "#!/bin/bash" + _LEFT_RUNNING.format(module="uvicorn", ready=".*Uvicorn running")


@dataclass
class Shell:
    """Runs what a document shows, in `folder`.

    Args:
        settings: environment variables, on top of none.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        for name, text in (("chatkeep", _CHATKEEP), ("uvicorn", _UVICORN)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        for name in ("python", "python3"):
            (self.bin / name).symlink_to(sys.executable)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "127.0.0.1",
            "CHATKEEP_PYTHON": sys.executable,
            "CHATKEEP_FOLDER": str(self.folder),
            **self.settings,
        }

    async def run(self, script: str) -> str:
        """Run a script each of whose commands has to succeed; return what it wrote to standard output."""
        done = await asyncio.to_thread(self._run, script)
        assert done.returncode == 0, f"exit {done.returncode} of\n{script}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def _run(self, script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.environment,
            timeout=SECONDS,
        )

    @property
    def served_at(self) -> str:
        """The address of the service that a script left running."""
        return served_at((self.folder / "serve.out").read_text())

    def stop_serving(self) -> None:
        """End the service that a script left running, if there is one."""
        file = self.folder / "serve.pid"
        if file.exists():
            end_group(int(file.read_text()), signal.SIGTERM)
            file.unlink()


def served_at(said: str) -> str:
    found = re.search(r"(?:^listening|Uvicorn running) on http://[^:\s]+:(\d+)", said, re.MULTILINE)
    assert found is not None, said
    return f"http://127.0.0.1:{found[1]}"


def end_group(pid: int, number: signal.Signals, seconds: float = 30) -> None:
    """Signal a process that leads a session of its own, and all that are with it; kill what has not ended in time."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
    deadline = time.monotonic() + seconds
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Put what a test has in the place of what the document has; each has to be there."""
    for old, new in replacements.items():
        assert old in text, f"the block no longer has {old!r}: put the test's replacements right"
        text = text.replace(old, new)
    return text


ENVIRONMENT = {"CHATKEEP_SECRET_KEY": SECRET_KEY, "CHATKEEP_COOKIE_SECURE": "false"}


async def says_something(url: str, name: str, password: str) -> None:
    """Sign in and take a turn, which has to be answered."""
    async with httpx2.AsyncClient(base_url=url, timeout=30, verify=False) as client:
        answer = await client.post("/api/v1/auth/login", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        conversation = (await client.post("/api/v1/conversations", json={})).json()["id"]
        turn = await client.post(f"/api/v1/conversations/{conversation}/turns", json={"content": "Hi", "stream": False})
        assert turn.json()["status"] == "complete", turn.text
