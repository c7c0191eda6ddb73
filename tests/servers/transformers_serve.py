"""`transformers serve` with a tiny model that is made on the spot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.programs import ModelServer, installed, running_server
from tests.support.programs import free_port

MAKE_MODEL = Path(__file__).with_name("tiny_model.py")
# What the model says to any other prompt, and to those with a name in brackets; see tiny_model.py.
PLAIN = "The capital is 東京."
LONG = "la li lu "
# Nothing is asked of any hub.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


async def make_model(folder: Path) -> Path:
    """Make the model in `folder`, and return where it is."""
    place = folder / "tiny"
    process = await asyncio.create_subprocess_exec(
        *(installed("transformers", "python"), MAKE_MODEL, place), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return place


@asynccontextmanager
async def transformers_serve(folder: Path, *options: str | Path) -> AsyncIterator[ModelServer]:
    """Run the server in `folder` until the block ends.

    Args:
        options: the model, which is then the only one; without, any is loaded by its name.
    """
    port = free_port()
    program = installed("transformers", "transformers")
    settings = {**OFFLINE, "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    command = (program, "serve", *options, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port))
    async with running_server(folder, *command, port=port, health="/health", **settings) as server:
        yield server
