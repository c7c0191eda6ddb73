"""Commands on a database that holds what no code of the service would put there: they answer, whatever it is."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.cli.command_runner import Command
from tests.database.extremes import COLUMNS, put
from tests.database.filled import fill
from tests.support.running_service import running
from tests.support.urls import driver_url

COMMANDS = (
    ("user", "list"),
    ("user", "list", "--json"),
    ("history", "--all"),
    ("history", "--all", "--format", "jsonl", "--from", "2026-01-01"),
    ("history", "--q", "東京"),
    ("stats",),
    ("stats", "--bucket", "hour", "--json"),
    ("audit", "list", "--all"),
    ("audit", "list", "--all", "--format", "jsonl", "--from", "1970-01-01", "--to", "9998-12-31"),
    ("audit", "export"),
    ("audit", "verify"),
    ("export", "--user", "subject"),
    ("retention", "--dry-run"),
    ("search", "reindex"),
    ("doctor",),
    ("backup", "a.backup", "--force"),
    ("retention", "run"),
)
POLICY = {"CHATKEEP_RETENTION_DAYS": '{"user": 365, "guest": 7}'}
# Names and roles stay, so that there is somebody to ask for.
KEPT = {"users": "username IN ('admin', 'subject')"}
# Each column of a kind at once: times, then everything else.
TIMES = [each for each in COLUMNS if each[1].endswith(("_at", "hour")) or each[1] == "at"]
OTHERS = [each for each in COLUMNS if each not in TIMES and each[0] not in ("audit_chains", "audit_events")]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    async with running(database_url) as service:
        connection = await asyncpg.connect(driver_url(database_url))
        await fill(service, connection, await service.administrator())
    await connection.execute("GRANT ALL ON audit_events, audit_subjects, audit_chains TO CURRENT_USER")
    yield connection
    await connection.close()


@pytest.mark.parametrize("columns", [TIMES, OTHERS], ids=["times", "others"])
async def test_every_command_reads_every_extreme(
    chatkeep: Command, connection: Any, columns: list[tuple[str, str]]
) -> None:
    for place, (table, column) in enumerate(columns):
        await put(connection, table, column, but_not=KEPT.get(table, "false"), shift=place)
    for command in COMMANDS:
        ran = await chatkeep(*command, **POLICY)
        # 1 where something is found that is not whole, in a sentence; never more.
        assert ran.code == 0 or (command[0] in ("doctor", "audit") and ran.code == 1), (command, ran.err)
