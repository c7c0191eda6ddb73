"""Migrations: up, down, up again, from anywhere, once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from chatkeep.database import migrations
from chatkeep.database.database import Database
from chatkeep.errors import DatabaseUnavailable, MigrationError
from chatkeep.ids import new_id
from tests.support.databases import create_database, drop_database, run
from tests.support.urls import driver_url

PROJECT = Path(__file__).parents[2]


@pytest.fixture
async def empty_url(server_url: str) -> AsyncIterator[str]:
    url = await create_database(server_url)
    yield url
    await drop_database(server_url, url)


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(driver_url(url))
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def test_up_down_up_again_and_no_difference(empty_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url)
    assert await asyncio.to_thread(migrations.differences, empty_url) == ""
    first = await tables(empty_url)
    await asyncio.to_thread(migrations.downgrade, empty_url, "base")
    assert await tables(empty_url) == {"alembic_version"}
    await asyncio.to_thread(migrations.upgrade, empty_url)
    assert await tables(empty_url) == first
    assert await asyncio.to_thread(migrations.differences, empty_url) == ""


async def test_a_difference_is_named(empty_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url)
    await run(empty_url, "ALTER TABLE users ADD COLUMN shoe_size int", "DROP INDEX ix_turns_id")
    found = await asyncio.to_thread(migrations.differences, empty_url)
    assert "shoe_size" in found
    assert "ix_turns_id" in found


async def test_replicas_that_start_together_migrate_once(empty_url: str) -> None:
    upgrade = f"from chatkeep.database import migrations; migrations.upgrade({empty_url!r})"
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", upgrade, cwd=PROJECT) for _ in range(4)]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * 4
    assert await asyncio.to_thread(migrations.differences, empty_url) == ""


async def test_a_locked_table_stops_a_migration_that_changes_nothing(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url)
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_SECONDS", 1)
    reader = await asyncpg.connect(driver_url(empty_url))
    before = await tables(empty_url)
    try:
        async with reader.transaction():
            await reader.fetch("SELECT 1 FROM turns")
            with pytest.raises(MigrationError, match="nothing was changed"):
                await asyncio.to_thread(migrations.downgrade, empty_url, "base")
    finally:
        await reader.close()
    assert await tables(empty_url) == before


async def test_start_up_refuses_a_database_that_is_not_at_head(empty_url: str) -> None:
    database = await Database.connect(empty_url)
    try:
        with pytest.raises(MigrationError, match=r"revision \(empty\).*chatkeep db upgrade.*--migrate"):
            await migrations.require_head(database)
        await asyncio.to_thread(migrations.upgrade, empty_url)
        await migrations.require_head(database)
        await run(empty_url, "UPDATE alembic_version SET version_num = 'from the future'")
        with pytest.raises(MigrationError, match="from the future"):
            await migrations.require_head(database)
    finally:
        await database.close()


async def test_unknown_revisions_and_absent_databases_are_explained(empty_url: str) -> None:
    with pytest.raises(MigrationError, match="nonsense"):
        await asyncio.to_thread(migrations.upgrade, empty_url, "nonsense")
    with pytest.raises(DatabaseUnavailable):
        await asyncio.to_thread(migrations.upgrade, "postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("name", ["DATABASE_URL", "CHATKEEP_DATABASE_URL"])
async def test_plain_alembic_upgrades_the_configured_database(empty_url: str, name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, env=environment | {name: empty_url})
    assert await process.wait() == 0
    assert "turns" in await tables(empty_url)


def test_alembic_writes_sql_without_a_database() -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "CREATE TABLE turns" in said.stdout


async def test_turns_get_their_items_without_being_rewritten_and_lose_them_again(empty_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url, "0013")
    connection = await asyncpg.connect(driver_url(empty_url))
    files = "SELECT relname, relfilenode FROM pg_class WHERE relname IN ('turns', 'reply_fragments') ORDER BY 1"
    try:
        user_id, talk_id, turn_id = new_id(), new_id(), new_id()
        now = datetime.now(UTC)
        await connection.execute(
            "INSERT INTO users (id, username, username_key, created_at) VALUES ($1, 'a', 'a', $2)", user_id, now
        )
        await connection.execute(
            "INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at) VALUES ($1, $2, $3, $3, $3)",
            *(user_id, talk_id, now),
        )
        new_turn = (
            "INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, created_at)"
            " VALUES ($1, $2, $3, 0, $4, 'p', $5)"
        )
        await connection.execute(new_turn, user_id, turn_id, talk_id, "complete", now)
        before = await connection.fetch(files)
        await asyncio.to_thread(migrations.upgrade, empty_url)
        assert await connection.fetch(files) == before
        cut_id = new_id()
        await connection.execute(new_turn, user_id, cut_id, talk_id, "incomplete", now)
        fragment = "INSERT INTO reply_fragments (user_id, turn_id, position, text, kind) VALUES ($1, $2, $3, 't', $4)"
        await connection.execute(fragment, user_id, cut_id, 0, None)
        await connection.execute(fragment, user_id, cut_id, 1, "reasoning")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(new_turn, user_id, new_id(), talk_id, "of another kind", now)
        await asyncio.to_thread(migrations.downgrade, empty_url, "0013")
        assert await connection.fetch(files) == before
        assert {row[0] for row in await connection.fetch("SELECT status FROM turns")} == {"complete"}
        assert [row[0] for row in await connection.fetch("SELECT position FROM reply_fragments")] == [0]
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(new_turn, user_id, new_id(), talk_id, "incomplete", now)
    finally:
        await connection.close()


async def test_what_runs_moves_into_a_table_of_its_own_and_back(empty_url: str) -> None:
    """Without a row of `turns` being written on the way there."""
    await asyncio.to_thread(migrations.upgrade, empty_url, "0016")
    connection = await asyncpg.connect(driver_url(empty_url))
    user_id, talk_id, replica_id, now = new_id(), new_id(), new_id(), datetime.now(UTC)
    ids = {status: new_id() for status in ("complete", "failed", "streaming")}
    versions = "SELECT ctid, xmin::text FROM turns ORDER BY id"
    try:
        await connection.execute(
            "INSERT INTO users (id, username, username_key, created_at) VALUES ($1, 'a', 'a', $2)", user_id, now
        )
        await connection.execute(
            "INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at) VALUES ($1, $2, $3, $3, $3)",
            *(user_id, talk_id, now),
        )
        for status, turn_id in ids.items():
            await connection.execute(
                "INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, replica_id, created_at)"
                " VALUES ($1, $2, $3, 0, $4, 'p', $5, $6)",
                *(user_id, turn_id, talk_id, status, replica_id if status == "streaming" else None, now),
            )
        before = await connection.fetch(versions)
        await asyncio.to_thread(migrations.upgrade, empty_url)
        assert await connection.fetch(versions) == before
        running = await connection.fetch("SELECT turn_id, conversation_id, replica_id, ended_at FROM unsettled_turns")
        assert [tuple(row) for row in running] == [(ids["streaming"], talk_id, replica_id, None)]
        unusual = await connection.fetch("SELECT turn_id, status FROM unusual_turns")
        assert [tuple(row) for row in unusual] == [(ids["failed"], "failed")]

        await connection.execute("UPDATE turns SET replica_id = NULL")  # as turns of this release have it
        await connection.execute(
            "INSERT INTO unsettled_turns VALUES ($1, $2, $3, $4, now())", user_id, ids["complete"], talk_id, replica_id
        )
        await asyncio.to_thread(migrations.downgrade, empty_url, "0016")
        theirs = await connection.fetch("SELECT id FROM turns WHERE replica_id = $1", replica_id)
        assert [row[0] for row in theirs] == [ids["streaming"]]
        pending = await connection.fetch("SELECT turn_id FROM turn_search WHERE lexemes IS NULL")
        assert [row[0] for row in pending] == [ids["complete"]]
    finally:
        await connection.close()


async def test_names_are_found_without_accents_after_an_update_and_entries_come_back(empty_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url, "0019")
    connection = await asyncpg.connect(driver_url(empty_url))
    user_id, talk_id, turn_id, now = new_id(), new_id(), new_id(), datetime.now(UTC)
    user = "INSERT INTO users (id, username, username_key, display_name, created_at, name_pairs) VALUES"
    try:
        await connection.execute(f"{user} ($1, 'anna', 'anna', NULL, $2, '{{an,nn}}')", new_id(), now)
        before = await connection.fetch("SELECT xmin::text FROM users")
        await connection.execute(f"{user} ($1, 'bea', 'bea', 'José', $2, '{{be,ea,jo,os,sé}}')", user_id, now)
        await asyncio.to_thread(migrations.upgrade, empty_url)
        pairs = await connection.fetch("SELECT username, name_pairs FROM users ORDER BY username")
        assert [tuple(row) for row in pairs] == [
            ("anna", ["an", "nn"]),
            ("bea", ["be", "ea", "jo", "os", "se", "sé"]),
        ]
        assert await connection.fetch("SELECT xmin::text FROM users WHERE username = 'anna'") == before
        await connection.execute(
            "INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at) VALUES ($1, $2, $3, $3, $3)",
            *(user_id, talk_id, now),
        )
        await connection.execute(
            "INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, created_at)"
            " VALUES ($1, $2, $3, 0, 'complete', 'p', $4)",
            *(user_id, turn_id, talk_id, now),
        )
        await connection.execute("INSERT INTO turn_entries VALUES ($1, $2, 3, '{1,2}')", user_id, turn_id)
        await asyncio.to_thread(migrations.downgrade, empty_url, "0019")
        pending = await connection.fetch("SELECT turn_id, part, version, lexemes FROM turn_search")
        assert [tuple(row) for row in pending] == [(turn_id, 0, 0, None)]
    finally:
        await connection.close()


async def test_tokens_keep_what_they_could_do_and_narrow_ones_do_not_outlive_their_scopes(empty_url: str) -> None:
    await asyncio.to_thread(migrations.upgrade, empty_url, "0019")
    owner = "'00000000-0000-0000-0000-000000000001'"
    columns = "digest, id, user_id, name, created_at"
    insert = f"INSERT INTO access_tokens ({columns}) VALUES ('{{0}}', gen_random_uuid(), {{1}}, '{{0}}', now())"
    await run(
        empty_url,
        f"INSERT INTO users (id, username, username_key, created_at) VALUES ({owner}, 'a', 'a', now())",
        insert.format("before", owner),
    )
    await asyncio.to_thread(migrations.upgrade, empty_url, "0020")
    await run(empty_url, insert.format("by the release before", owner), insert.format("narrow", owner))
    await run(empty_url, "UPDATE access_tokens SET scopes = '{read}' WHERE name = 'narrow'")
    connection = await asyncpg.connect(driver_url(empty_url))
    try:
        found = {row["name"]: row["scopes"] for row in await connection.fetch("SELECT name, scopes FROM access_tokens")}
        everything = ["chat", "read", "import", "account", "admin"]
        assert found == {"before": everything, "by the release before": everything, "narrow": ["read"]}
        await asyncio.to_thread(migrations.downgrade, empty_url, "0019")
        kept = {row["name"] for row in await connection.fetch("SELECT name FROM access_tokens")}
        assert kept == {"before", "by the release before"}
    finally:
        await connection.close()
