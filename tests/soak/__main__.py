"""`python -m tests.soak`: everything at once, and a table; exit code 1 where something grows or is answered wrong."""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.crash.processes import ModelServer
from tests.database.postgres.data_folders import end_servers_below, open_folder
from tests.fuzz.checks import faults_in_log
from tests.soak.run import SETTINGS, Outcome, Soak
from tests.soak.table import table
from tests.support.process import CHATKEEP, serving_by

SECONDS = 600
SHOWN = 20


async def soak(seconds: float, seed: int) -> Outcome:
    """Return the measurements and findings of so many seconds."""
    data, logs = open_folder(), Path(tempfile.mkdtemp(prefix="chatkeep-soak-"))
    print(f"The log is in {logs}; the seed is {seed}.", flush=True)
    options = ("--migrate", "--data-dir", str(data / "data"), "--workers", "2")
    try:
        async with (
            ModelServer() as model_url,
            serving_by(CHATKEEP, logs, *options, model_url=model_url, **SETTINGS) as process,
        ):
            outcome = await Soak(process, data / "data", seconds, random.Random(seed)).run()
        outcome.logged = faults_in_log(process.log)
        return outcome
    finally:
        end_servers_below(data)
        shutil.rmtree(data, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    given = float(os.environ.get("SOAK_SECONDS") or SECONDS)
    parser.add_argument("--seconds", type=float, default=given, help="SOAK_SECONDS, or %(default)s")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    outcome = asyncio.run(soak(options.seconds, options.seed))
    Console(width=120).print(table(outcome))
    for each in outcome.faults[:SHOWN]:
        print(f"  {each}")
    print("Nothing grows, and every answer is right." if outcome.passed else "NOT PASSED: see above.")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
