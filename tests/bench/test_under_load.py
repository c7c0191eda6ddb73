"""The measurements of too much load run, with figures that mean nothing at this size."""

import asyncio
import sys
from pathlib import Path

from bench.hostile import attacks


async def run(*options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *options),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_reads_and_turns_are_timed_beyond_saturation(database_url: str) -> None:
    code, said = await run("bench.overload", "--seconds", "1", "--database-url", database_url)
    assert code in {0, 1}, said
    assert "saturated at" in said
    for kind in ("list conversations", "read turns", "read one turn", "sign in", "turn "):
        assert said.count(f"│ {kind}") >= 1, said


async def test_dear_requests_are_measured(database_url: str) -> None:
    code, said = await run("bench.attacks", "--tries", "1", "--only", "search for", "--database-url", database_url)
    assert code in {0, 1}, said
    assert "search for pairs" in said


def test_each_dear_request_has_a_name_and_a_size() -> None:
    found = list(attacks(80, "sid=a", "01a2033b-5e09-71ff-afbe-e688c0991438"))
    assert len({each.name for each in found}) == len(found) > 150
    assert all(50 < len(each.raw) < 1_100_000 for each in found)
