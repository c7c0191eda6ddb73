"""Sends the same requests to the real fastsession 0.3.0 and to this library, and prints where they differ.

    python tests/sessions/compare_fastsession.py [--python PATH]

fastsession runs in a virtual environment of its own, which is made where `--python` names none. Only what is known
to be wrong there may differ, and here it has to be right; anything else ends with exit code 1.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from tests.sessions.compared_scenarios import Compared, Side, scenarios  # noqa: E402  found by the line above

APPLICATION = Path(__file__).with_name("compared_application.py")
REQUIREMENTS = ("fastsession==0.3.0", "fastapi", "uvicorn", "websockets")
START_SECONDS = 30


def python_with_fastsession(folder: Path) -> str:
    """Make a virtual environment with fastsession in it and return its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
    subprocess.run(install, check=True)
    return str(python)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def side(name: str, library: str, python: str, log: Path) -> AsyncIterator[Side]:
    """Run the application on one of the two."""
    port = free_port()
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH", ""))))
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *(python, str(APPLICATION), library, str(port)),
            env=os.environ | {"PYTHONPATH": path},
            stdout=output,
            stderr=output,
        )
    try:
        # A connection for each request: after an error the other one's is closed.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, limits=limits) as client:
            await _answering(client, process, log)
            yield Side(name, str(client.base_url), client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answering(client: httpx2.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                raise SystemExit(f"the application did not start:\n{log.read_text()}")
            try:
                await client.get("/docs")
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def compare(python: str, logs: Path) -> list[str]:
    """Run every scenario on both sides, print what comes out, and return what is wrong."""
    wrong = []
    async with AsyncExitStack() as stack:
        theirs = await stack.enter_async_context(side("fastsession", "fastsession", python, logs / "theirs"))
        ours = await stack.enter_async_context(side("here", "chatkeep.sessions", sys.executable, logs / "ours"))
        for says, compared in scenarios().items():
            found = await compared.scenario(theirs), await compared.scenario(ours)
            wrong += [f"{says}: {what}" for what in _judged(compared, *found)]
            _show(compared, *found)
    return wrong


def _judged(compared: Compared, theirs: Any, ours: Any) -> list[str]:
    if not compared.is_fault:
        return [] if theirs == ours else ["a difference that is no known fault"]
    if ours != compared.right:
        return [f"here it should be {_shown(compared.right)}"]
    return ["fastsession is right here; the scenario shows nothing"] if theirs == ours else []


def _show(compared: Compared, theirs: Any, ours: Any) -> None:
    if theirs == ours:
        print(f"same     {compared.says}")
        return
    print(f"differs  {compared.says}")
    print(f"           fastsession  {_shown(theirs)}")
    print(f"           here         {_shown(ours)}")


def _shown(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--python", help="an interpreter that has fastsession 0.3.0, fastapi, uvicorn and websockets")
    given: str | None = parser.parse_args().python
    with tempfile.TemporaryDirectory() as folder:
        python = given or python_with_fastsession(Path(folder) / "venv")
        wrong = asyncio.run(compare(python, Path(folder)))
    faults = sum(each.is_fault for each in scenarios().values())
    print(f"\n{len(scenarios()) - faults} the same, {faults} known faults")
    for line in wrong:
        print(f"WRONG    {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
