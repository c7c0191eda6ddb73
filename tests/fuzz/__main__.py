"""`python -m tests.fuzz`: random requests at a service of its own; exit code 1 where one found a fault."""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.database.postgres.data_folders import end_servers_below, open_folder
from tests.fuzz.checks import faults_in_log
from tests.fuzz.fuzzing import Fuzzing, Report
from tests.fuzz.wholeness import require_whole
from tests.support.process import CHATKEEP, ServeProcess, serving_by
from tests.support.running_service import ADMIN_PASSWORD, RunningService

REQUESTS = 10_000
SHOWN_FAULTS = 30
# A broken request is told so after a second, not half a minute: there are thousands.
IMPATIENT = {"head_timeout_seconds": 1, "body_timeout_seconds": 1}


async def fuzz(count: int, seed: int) -> tuple[Report, list[str]]:
    """Return the results of the requests, and the lines of the log that only faults write."""
    data, logs = open_folder(), Path(tempfile.mkdtemp(prefix="chatkeep-fuzz-"))
    print(f"The log is in {logs}; the seed is {seed}.", flush=True)
    settings = {
        "admin_password": ADMIN_PASSWORD,
        "max_registrations_per_hour": 100_000,
        "shutdown_grace_seconds": 1,
        "log_format": "json",
        **IMPATIENT,
    }
    try:
        async with serving_by(CHATKEEP, logs, "--migrate", "--data-dir", str(data / "data"), **settings) as process:
            report = await _run(process, count, seed)
        return report, faults_in_log(process.log)
    finally:
        end_servers_below(data)
        shutil.rmtree(data, ignore_errors=True)


async def _run(process: ServeProcess, count: int, seed: int) -> Report:
    service = Outside(process.url)
    try:
        report = await Fuzzing(service, seed, progress=True).run(count)
        await require_whole(service)
    finally:
        await service.close_clients()
    os.kill(process.pid, 0)  # it is the process that was asked first
    return report


class Outside(RunningService):
    """A service in a process of its own: it has an address and nothing else."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients = []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="the same one sends the same requests"
    )
    options = parser.parse_args()
    report, logged = asyncio.run(fuzz(options.requests, options.seed))
    for fault in [*report.faults, *(f"in the log: {line[:1_000]}" for line in logged)][:SHOWN_FAULTS]:
        print(f"  {fault}")
    print(f"{report.told()}, {len(logged)} lines of faults in the log; the service is whole.")
    return 1 if report.faults or logged else 0


if __name__ == "__main__":
    sys.exit(main())
