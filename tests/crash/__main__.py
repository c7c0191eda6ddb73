"""`python -m tests.crash`: all scenarios, a table, and exit code 1 where a promise was broken."""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from rich.console import Console

from tests.crash.older_release import CannotInstall
from tests.crash.postgres import Postgres
from tests.crash.processes import ModelServer
from tests.crash.scenario_run import Bounds, Result, Stage
from tests.crash.scenarios.database_kills import asynchronous_commits, database_kills, long_outages
from tests.crash.scenarios.embedded import embedded_kills, full_disks
from tests.crash.scenarios.exhaustion import exhaustion
from tests.crash.scenarios.failovers import failovers
from tests.crash.scenarios.read_only import read_only_times
from tests.crash.scenarios.replicas import replicas
from tests.crash.scenarios.server_kills import acknowledged_early, never_reaped, server_kills
from tests.crash.scenarios.shutdowns import cut_short, rolling_restarts
from tests.crash.scenarios.upgrades import upgrades
from tests.crash.table import table

SHOWN_FINDINGS = 10

SCENARIOS: Mapping[str, Callable[[Stage], Awaitable[Result]]] = {
    "A": lambda stage: server_kills(stage, kills=25),
    "B": lambda stage: database_kills(stage, kills=20),
    "B2": lambda stage: long_outages(stage, kills=4),
    "C": lambda stage: exhaustion(stage, users=25, seconds=15),
    "D": lambda stage: rolling_restarts(stage, rounds=6),
    "D2": lambda stage: cut_short(stage, rounds=4),
    "E": lambda stage: replicas(stage, kills=3, naps=1, lease_seconds=10),
    "F": lambda stage: embedded_kills(stage, kills=10),
    "F2": lambda stage: full_disks(stage, times=3),
    "G": lambda stage: read_only_times(stage, times=4),
    "H": lambda stage: upgrades(stage, turns=1_000_000),
    "control-early": lambda stage: acknowledged_early(stage, most_kills=10),
    "control-reaper": never_reaped,
    "control-commit": lambda stage: asynchronous_commits(stage, kills=5),
}
# Those that need programs of others: Patroni and etcd. They are run when they are named.
NAMED_ONLY: Mapping[str, Callable[[Stage], Awaitable[Result]]] = {
    "P": lambda stage: failovers(stage, kills=10),
}


async def run(names: list[str], seed: int) -> list[Result]:
    folder = Path(tempfile.mkdtemp(prefix="chatkeep-crash-"))
    print(f"Logs are in {folder}; the seed is {seed}.", flush=True)
    async with Postgres() as postgres, ModelServer() as model_url:
        stage = Stage(folder, postgres, model_url, Bounds(), seed)
        results = []
        for name in names:
            try:
                results.append(told(await {**SCENARIOS, **NAMED_ONLY}[name](stage)))
            except CannotInstall as error:
                print(f"  {name} WAS NOT RUN: {error}", flush=True)
        return results


def told(result: Result) -> Result:
    verdict = "as it should be" if result.passed else "BROKEN"
    print(f"  {result.name}: {result.acknowledged} acknowledged, {verdict}, {result.seconds:.0f} s", flush=True)
    if result.caught is None:
        for finding in result.findings.all[:SHOWN_FINDINGS]:
            print(f"    {finding.promise}: {finding.detail}", flush=True)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, *NAMED_ONLY, []], help="default: all but P")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of when is killed, and whom")
    options = parser.parse_args()
    names = options.scenarios or [*SCENARIOS]
    results = asyncio.run(run(names, options.seed))
    Console(width=170).print(table(results))
    print("A SIGKILL leaves the kernel alive: what fsync=off would lose is not lost here, and not tested.")
    return 0 if len(results) == len(names) and all(each.passed for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
