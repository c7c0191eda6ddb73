"""The benchmark as a program, at a size at which its figures mean nothing."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
MESSAGES = 2_000
TINY = ("--messages", str(MESSAGES), "--rounds", "1", "--share", "0.02")


@dataclass(frozen=True, slots=True)
class Written:
    """What a run wrote: its figures by name, and its costs by case and side."""

    said: str
    figures: dict[str, dict[str, Any]]
    costs: dict[tuple[str, str], dict[str, Any]]

    def barred(self) -> set[str]:
        return {name for name, each in self.figures.items() if each["bar"] is not None}


async def run(*options: str, module: str = "bench") -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def measured(url: str, *names: str) -> Written:
    """Run cases, and return what the run wrote."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        only = [option for name in names for option in ("--only", name)]
        code, said = await run(*TINY, "--database-url", url, "--json", str(file), *only)
        assert code in {0, 1}, said
        document = json.loads(file.read_text(encoding="utf-8"))
    assert document["messages"] == MESSAGES
    written = Written(
        said,
        {each["name"]: each for each in document["figures"]},
        {(each["case"], each["side"]): each for each in document["costs"]},
    )
    assert code == int(any(each["verdict"] == "missed" for each in written.figures.values()))
    for each in written.figures.values():
        assert each["rounds"], each
        assert min(each["rounds"]) <= each["value"] <= max(each["rounds"])
    for cost in written.costs.values():
        assert 0 < cost["p50_ms"] <= cost["p99_ms"], cost
        assert cost["throughput"] > 0, cost
        assert cost["service_us"] > 0, cost
    return written
