"""The work that PostgreSQL does: its processor time, its log, and how many of its updates were HOT."""

import asyncio
from dataclasses import dataclass
from typing import Self

import asyncpg
import psutil

from bench.databases import Connection
from bench.servers import processor_seconds

CLOSE_SECONDS = 15
TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server.

    Args:
        connection: asks it; does nothing else.
        postmaster: its first process; None where it is on another machine.
    """

    connection: "Connection[asyncpg.Record]"
    postmaster: psutil.Process | None

    @classmethod
    async def of(cls, connection: "Connection[asyncpg.Record]") -> Self:
        return cls(connection, _postmaster_of(await connection.fetchval("SELECT pg_backend_pid()")))

    def processor_seconds(self) -> float | None:
        """Return what all processes of the server have used, those that have ended included."""
        if self.postmaster is None:
            return None
        times = self.postmaster.cpu_times()
        total = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        for process in (self.postmaster, *self.postmaster.children()):
            try:
                total += processor_seconds(process)
            except (OSError, psutil.Error):
                continue  # it has ended, and is among the children's time from now on
        return float(total)

    async def wal_bytes(self) -> int:
        """Return how many bytes of log were written since the server was made."""
        return int(await self.connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    async def updates(self, schema: str, table: str | None = None) -> "Updates":
        """Return the updates of a schema's tables, or of one; whoever made them has closed its connections."""
        await self._wait_until_alone()
        row = await self.connection.fetchrow(
            "SELECT coalesce(sum(n_tup_upd), 0)::bigint AS updated, coalesce(sum(n_tup_hot_upd), 0)::bigint AS hot"
            " FROM pg_stat_user_tables WHERE schemaname = $1 AND ($2::text IS NULL OR relname = $2)",
            schema,
            table,
        )
        assert row is not None
        return Updates(row["updated"], row["hot"])

    async def _wait_until_alone(self) -> None:
        """Wait until other clients of this database are gone: a connection counts its updates at its end at last."""
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        async with asyncio.timeout(CLOSE_SECONDS):
            while await self.connection.fetchval(others):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class Updates:
    """How many rows were updated, and how many of them within their page and without touching an index (HOT)."""

    updated: int
    hot: int

    def share_since(self, before: "Updates") -> float | None:
        """Return the share of HOT updates since, from 0 to 1; None where there were no updates."""
        updated = self.updated - before.updated
        return (self.hot - before.hot) / updated if updated else None


def _postmaster_of(backend_pid: int) -> psutil.Process | None:
    try:
        backend = psutil.Process(backend_pid)
        parent = backend.parent()
    except psutil.Error:
        return None
    return parent if parent is not None and "postgres" in backend.name() else None
