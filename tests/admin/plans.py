"""How PostgreSQL carries a statement out: the first time, and when it has been prepared and run for a while."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

Connection = asyncpg.Connection  # its type parameter exists for checkers only


@dataclass(frozen=True)
class Plan:
    """A tree of steps, as EXPLAIN (FORMAT JSON) gives it."""

    root: dict[str, Any]
    milliseconds: float | None = None

    def steps(self) -> Iterator[dict[str, Any]]:
        waiting = [self.root]
        while waiting:
            step = waiting.pop()
            yield step
            waiting += step.get("Plans", ())

    def blocks_touched(self) -> int:
        """Return how many blocks were looked at, also within an index, where no row is counted."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    def tables_read_whole(self) -> set[str]:
        return {step["Relation Name"] for step in self.steps() if step["Node Type"] == "Seq Scan"}

    def rows_visited(self) -> int:
        """Return how many rows or entries of an index were looked at."""
        return round(
            sum(
                (
                    step["Actual Rows"]
                    + step.get("Rows Removed by Filter", 0)
                    + step.get("Rows Removed by Index Recheck", 0)
                )
                * step["Actual Loops"]
                for step in self.steps()
                if "Scan" in step["Node Type"] and "CTE" not in step["Node Type"]
            )
        )


async def measured_plan(connection: "Connection[asyncpg.Record]", sql: str, arguments: list[object]) -> Plan:
    """Run a statement, undo what it did, and return how it was carried out."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments, timeout=120)
    finally:
        await transaction.rollback()
    (found,) = json.loads(told)
    return Plan(found["Plan"], found["Planning Time"] + found["Execution Time"])


async def measured_for_any(connection: "Connection[asyncpg.Record]", sql: str, arguments: list[object]) -> Plan:
    """Run a statement as one that was prepared for any values, undo what it did, and return how it was carried out.

    Where the connection makes one plan for all values, as those of hot statements do, it is that one.
    """
    await connection.execute(f"PREPARE settled AS {sql}")
    try:
        return await measured_plan(connection, execution("settled", arguments), [])
    finally:
        await connection.execute("DEALLOCATE settled")


async def settled_plan(connection: "Connection[asyncpg.Record]", sql: str, arguments: list[object]) -> Plan:
    """Return the plan that a prepared statement has when PostgreSQL may have chosen one for any values.

    Source: PostgreSQL manual, PREPARE, Notes: the first five plans are for the values that are given.
    """
    await connection.execute(f"PREPARE settled AS {sql}")
    try:
        for _ in range(7):
            explained = f"EXPLAIN (FORMAT JSON) {execution('settled', arguments)}"
            (found,) = json.loads(await connection.fetchval(explained))
    finally:
        await connection.execute("DEALLOCATE settled")
    return Plan(found["Plan"])


def execution(name: str, arguments: list[object]) -> str:
    """Return the SQL that runs a prepared statement."""
    return f"EXECUTE {name}" + (f"({', '.join(map(_literal, arguments))})" if arguments else "")


def _literal(value: object) -> str:
    """Return a value in SQL; the statement says its type."""
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, list) and not value:
        return "'{}'"
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_literal, value))}]{_array_type(value)}"
    text = value if isinstance(value, str) else str(value) if isinstance(value, UUID) else json.dumps(value)
    return "'" + text.replace("'", "''") + "'"


def _array_type(value: list[object]) -> str:
    """The text that quotes leave open."""
    first = value[0] if value else None
    return "::uuid[]" if isinstance(first, UUID) else "::bytea[]" if isinstance(first, bytes) else ""


async def plan_for_any(connection: "Connection[asyncpg.Record]", sql: str) -> dict[str, Any]:
    """Return the plan for all values: given ones are folded, and a step that compares with NULL would be left out."""
    count = len((await connection.prepare(sql)).get_parameters())
    nothing = f"({', '.join(['NULL'] * count)})" if count else ""
    await connection.execute(f"PREPARE hot AS {sql}")
    told = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot{nothing}")
    await connection.execute("DEALLOCATE hot")
    plan: dict[str, Any] = json.loads(told)[0]["Plan"]
    return plan
