"""A backup holds everything, restoring it gives it back, and whatever goes wrong changes nothing."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import asyncpg
import psutil
import pytest

from chatkeep.database.postgres.embedded import EmbeddedPostgres
from tests.chat.files.pictures import FILES, add, png
from tests.cli.command_runner import Command, Ran
from tests.support.clusters import cluster
from tests.support.databases import create_database, drop_database, name_of, run
from tests.support.running_service import PASSWORD, Person, running
from tests.support.urls import driver_url

SCHEMA = "it's Chat\\keep"
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


async def test_files_are_the_same_to_the_byte_after_a_restore(
    chatkeep: Command, database_url: str, other_url: str
) -> None:
    sent = [png(300, 200, shade=7), b"".join(b"%07d\n" % number for number in range(100_000)), b"%PDF-1.7\n\0\xff"]
    async with running(database_url) as service:
        person = await service.person("alice")
        conversation_id = await person.conversation()
        kept = [await add(person, data, f"{number}.x") for number, data in enumerate(sent)]
        items = [{"type": "file", "file_id": each["id"]} for each in kept]
        await person.say(conversation_id, TEXT, items=items)
        before, cookies = await history(person, conversation_id), dict(person.client.cookies)
    made = await chatkeep("backup", "a.backup")
    assert made.code == 0, made.err
    ran = await restored_into(chatkeep, other_url)
    assert ran.code == 0, ran.err
    async with running(other_url) as service:
        known = Person(service.client(cookies=cookies), person.id, "alice")
        assert await history(known, conversation_id) == before
        for each, data in zip(kept, sent, strict=True):
            assert (await known.client.get(f"{FILES}/{each['id']}")).json() == each
            assert (await known.client.get(f"{FILES}/{each['id']}/content")).content == data
            assert (await known.client.delete(f"{FILES}/{each['id']}")).status_code == 409
        assert await add(known, sent[0], "0.x") == kept[0]
    assert await value(other_url, "SELECT sum(bytes) FROM file_usage") == 2 * 4096 + len(sent[1])


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


@pytest.fixture
async def own_schema(server_url: str) -> AsyncIterator[str]:
    """A database whose settings, and a role's in it, decide where the tables are, and more."""
    url = await create_database(server_url)
    name = name_of(url)
    await run(url, f'CREATE SCHEMA "{SCHEMA}"')
    await run(
        server_url,
        f'ALTER DATABASE {name} SET search_path = "{SCHEMA}", public',
        f"ALTER DATABASE {name} SET default_transaction_read_only = on",
        f"ALTER DATABASE {name} SET application_name = 'it''s\\ \"one\", two'",
        f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET work_mem = '5MB'",
    )
    yield url
    await drop_database(server_url, url)


async def test_tables_in_a_schema_of_their_own_come_back_there(
    chatkeep: Command, own_schema: str, other_url: str, server_url: str
) -> None:
    there = {"CHATKEEP_DATABASE_URL": own_schema}
    assert (await chatkeep("db", "upgrade", **there)).code == 0
    async with running(own_schema) as service:
        person = await service.person("alice")
        await person.say(await person.conversation(), TEXT)
    made = await chatkeep("backup", "a.backup", **there)
    assert made.code == 0, made.err
    settings = await settings_in(server_url, own_schema)
    assert settings
    refused: Ran = await restored_into(chatkeep, own_schema)
    assert (refused.code, "--replace" in refused.err) == (1, True)
    ran = await restored_into(chatkeep, own_schema, "--replace")
    assert (ran.code, "may not set" in ran.err) == (0, False), ran.err
    assert await settings_in(server_url, own_schema) == settings
    async with running(own_schema) as service:
        client = service.client()
        body = {"username": "alice", "password": PASSWORD}
        assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
    assert (
        await value(own_schema, "SELECT string_agg(DISTINCT schemaname, ',') FROM pg_tables WHERE tablename = 'turns'")
        == SCHEMA
    )
    # Where the role looks elsewhere, nothing is replaced by what it would not find.
    ran = await restored_into(chatkeep, other_url)
    assert ran.code == 1
    assert f'The backup has its tables in the schema "{SCHEMA}", where this role does not look for them.' in ran.err
    assert await value(other_url, "SELECT count(*) FROM public.users") == 0
    path = quote(f'-csearch_path="{SCHEMA}"'.replace("\\", "\\\\").replace(" ", "\\ "))
    assert (await restored_into(chatkeep, f"{other_url}{'&' if '?' in other_url else '?'}options={path}")).code == 0


async def settings_in(server_url: str, url: str) -> list[str]:
    query = (
        "SELECT array_agg(setrole || ' ' || setting ORDER BY setrole, setting) FROM pg_db_role_setting,"
        " unnest(setconfig) AS setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = $$%s$$)"
    )
    found: list[str] = await value(server_url, query % url.rpartition("/")[2].partition("?")[0])
    return found


async def test_settings_that_the_role_may_not_give_are_named(chatkeep: Command) -> None:
    async with cluster() as server:
        for statement in (
            "CREATE ROLE owner LOGIN CREATEDB",
            "CREATE DATABASE chats OWNER owner",
            "ALTER DATABASE chats SET log_statement = 'ddl'",
            "ALTER DATABASE chats SET work_mem = '6MB'",
            "ALTER ROLE postgres IN DATABASE chats SET work_mem = '5MB'",
        ):
            await server.ask(statement)
        owned = {"CHATKEEP_DATABASE_URL": f"postgresql://owner@127.0.0.1:{server.port}/chats"}
        assert (await chatkeep("db", "upgrade", **owned)).code == 0
        made = await chatkeep("backup", "own.backup", **owned)
        assert made.code == 0, made.err
        ran = await chatkeep("restore", "own.backup", **owned)
        assert ran.code == 0, ran.err
        assert "for the restored one: log_statement, work_mem of the role postgres." in ran.err
        assert await settings_in(server.url, "/chats") == ["0 work_mem=6MB"]


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
