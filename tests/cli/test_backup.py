"""A backup holds everything, restoring it gives it back, and whatever goes wrong changes nothing."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
import pytest

from service.database.embedded import EmbeddedPostgres
from service.database.urls import driver_url
from tests.cli.commands import Command, Ran
from tests.support.databases import create_database, drop_database, name_of, run
from tests.support.running import PASSWORD, Person, running

TEXT = "Prompt with ' \" \\ \n 日本語 and \U0001f375"


async def history(person: Person, conversation_id: str) -> list[Any]:
    found = await person.client.get(f"/api/v1/conversations/{conversation_id}")
    return [found.json(), await person.turns(conversation_id)]


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def databases(url: str) -> set[str]:
    connection = await asyncpg.connect(driver_url(url))
    try:
        return {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    finally:
        await connection.close()


async def value(url: str, query: str) -> Any:
    connection = await asyncpg.connect(driver_url(url))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
async def backup(chatkeep: Command, database_url: str) -> Path:
    """A backup of a database with one conversation."""
    async with running(database_url) as service:
        person = await service.person("alice")
        await person.say(await person.conversation(), TEXT)
    assert (await chatkeep("backup", "a.backup")).code == 0
    return chatkeep.folder / "a.backup"


@pytest.fixture
async def other_url(server_url: str, template: str) -> AsyncIterator[str]:
    """A second database, migrated and empty."""
    url = await create_database(server_url, template)
    yield url
    await drop_database(server_url, url)


def restored_into(chatkeep: Command, url: str, *options: str, file: str = "a.backup") -> Any:
    return chatkeep("restore", file, *options, CHATKEEP_DATABASE_URL=url)


async def test_a_backup_restored_into_another_data_folder_is_the_same_service(
    bare_chatkeep: Command, chatkeep: Command, database_url: str
) -> None:
    async with running(database_url) as service:
        person = await service.person("alice")
        conversation_id = await person.conversation(title="Tea", metadata={"a": [1, None]})
        for _ in range(2):
            await person.say(conversation_id, TEXT)
        before, cookies = await history(person, conversation_id), dict(person.client.cookies)
        made = await chatkeep("backup", "a.backup")  # while the service runs
    assert made.code == 0, made.err
    assert "CHATKEEP_SECRET_KEY" in made.err
    file = chatkeep.folder / "a.backup"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        ran = await bare_chatkeep("restore", str(file), "--data-dir", folder)
        assert ran.code == 0, ran.err
        with EmbeddedPostgres(Path(folder)) as server:
            async with running(server.url) as service:
                known = Person(service.client(cookies=cookies), person.id, "alice")
                assert await history(known, conversation_id) == before
                signed_in = service.client()
                body = {"username": "alice", "password": PASSWORD}
                assert (await signed_in.post("/api/v1/auth/login", json=body)).status_code == 200
                await known.say(conversation_id, "And on it goes.")
                # Of the embedded server, while it serves.
                again = await bare_chatkeep("backup", "b.backup", "--data-dir", folder)
                assert again.code == 0, again.err
        assert (await bare_chatkeep("restore", "b.backup", "--data-dir", folder, "--replace")).code == 0
        with EmbeddedPostgres(Path(folder)) as server:
            assert await value(server.url, "SELECT count(*) FROM turns") == 3


async def test_a_role_with_an_encoding_of_its_own_backs_up_and_restores_every_character(
    chatkeep: Command, database_url: str, other_url: str
) -> None:
    quoted = "\u201cquoted\u201d"
    async with running(database_url) as service:
        person = await service.person("alice")
        await person.say(await person.conversation(), quoted)
    for url in (database_url, other_url):
        await run(url, f"ALTER ROLE CURRENT_USER IN DATABASE {name_of(url)} SET client_encoding = latin1")
    made = await chatkeep("backup", "a.backup")
    assert made.code == 0, made.err
    ran = await restored_into(chatkeep, other_url)
    assert ran.code == 0, ran.err
    assert await value(other_url, f"SELECT count(*) FROM turns WHERE prompt LIKE '%{quoted}%'") == 1


async def test_a_database_that_holds_something_is_replaced_only_when_asked(
    chatkeep: Command, backup: Path, other_url: str
) -> None:
    async with running(other_url) as service:
        await (await service.person("bob")).conversation()
    refused: Ran = await restored_into(chatkeep, other_url)
    assert (refused.code, "--replace" in refused.err) == (1, True)
    assert await value(other_url, "SELECT count(*) FROM users WHERE username = 'bob'") == 1
    assert (await restored_into(chatkeep, other_url, "--replace")).code == 0
    assert await value(other_url, "SELECT array_agg(username ORDER BY username) FROM users") == ["admin", "alice"]
    assert not [each for each in await databases(other_url) if name_of(other_url)[:40] in each and len(each) > 60]


async def test_it_does_not_restore_under_a_running_service(chatkeep: Command, backup: Path, other_url: str) -> None:
    async with running(other_url):
        ran = await restored_into(chatkeep, other_url, "--replace")
    assert (ran.code, "Stop the service" in ran.err) == (1, True)
    assert await value(other_url, "SELECT count(*) FROM users WHERE username = 'alice'") == 0


async def test_a_file_that_is_no_backup_or_is_cut_off_changes_nothing(
    chatkeep: Command, backup: Path, other_url: str
) -> None:
    whole = backup.read_bytes()
    before = await databases(other_url)
    for content in (b"", b"not a backup", whole[: len(whole) // 2], whole[:200]):
        (chatkeep.folder / "b.backup").write_bytes(content)
        ran = await restored_into(chatkeep, other_url, file="b.backup")
        assert (ran.code, ran.out) == (1, ""), len(content)
    assert (await restored_into(chatkeep, other_url, file="none.backup")).code == 1
    assert await databases(other_url) == before
    assert await value(other_url, "SELECT count(*) FROM users") == 0


async def test_a_backup_of_a_newer_version_is_refused(
    chatkeep: Command, backup: Path, database_url: str, other_url: str
) -> None:
    await run(database_url, "UPDATE alembic_version SET version_num = 'from the future'")
    assert (await chatkeep("backup", "new.backup")).code == 0
    before = await databases(other_url)
    ran = await restored_into(chatkeep, other_url, file="new.backup")
    assert (ran.code, "from the future" in ran.err) == (1, True)
    assert await databases(other_url) == before


async def test_a_backup_of_an_older_version_is_brought_to_this_one(
    chatkeep: Command, database_url: str, other_url: str
) -> None:
    head = await value(database_url, "SELECT version_num FROM alembic_version")
    assert (await chatkeep("db", "downgrade", "0002", "--yes")).code == 0
    assert (await chatkeep("backup", "old.backup")).code == 0
    assert (await restored_into(chatkeep, other_url, file="old.backup")).code == 0
    assert await value(other_url, "SELECT version_num FROM alembic_version") == head
    assert (await chatkeep("db", "check", CHATKEEP_DATABASE_URL=other_url)).code == 0


async def test_what_a_restore_that_died_has_left_is_removed_by_the_next(
    chatkeep: Command, backup: Path, server_url: str, other_url: str
) -> None:
    left = f"{name_of(other_url)[:40]}_restore_0123abcd"
    await run(server_url, f'CREATE DATABASE "{left}" TEMPLATE template0')
    assert (await restored_into(chatkeep, other_url)).code == 0
    assert left not in await databases(other_url)


async def test_a_file_that_is_there_stays_unless_it_may_be_replaced(chatkeep: Command) -> None:
    (chatkeep.folder / "a.backup").write_text("something else")
    ran = await chatkeep("backup", "a.backup")
    assert (ran.code, "--force" in ran.err) == (1, True)
    assert (chatkeep.folder / "a.backup").read_text() == "something else"
    assert (await chatkeep("backup", "a.backup", "--force")).code == 0
    assert names_in(chatkeep.folder) == ["a.backup"]


async def test_a_backup_that_fails_leaves_no_file(chatkeep: Command, database_url: str) -> None:
    await run(database_url, "DROP TABLE turns CASCADE")
    ran = await chatkeep("backup", "a.backup")
    assert (ran.code, names_in(chatkeep.folder)) == (1, [])
    assert (await chatkeep("backup", "no/such/folder/a.backup")).code == 1


async def test_the_password_is_on_no_command_line(chatkeep: Command, database_url: str) -> None:
    connection = await asyncpg.connect(driver_url(database_url))
    seen: list[str] = []
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")  # pg_dump has to wait
            making = asyncio.create_task(chatkeep("backup", "a.backup"))
            while not seen:
                await asyncio.sleep(0.05)
                for each in psutil.process_iter(["name", "cmdline"]):
                    words = " ".join(each.info["cmdline"] or ())
                    if each.info["name"] == "pg_dump" and name_of(database_url) in words:
                        seen.append(words)
    finally:
        await connection.close()
    assert (await making).code == 0
    password = driver_url(database_url).partition("://")[2].partition("@")[0].partition(":")[2]
    assert password
    assert password not in seen[0]
