"""`chatkeep demo-data` without `--people`: the list of one account, and taking everything away again."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chatkeep.cli.work.demo_conversations import MADE_BY, file_to_read, read_conversations
from tests.cli.command_runner import Command, without_styles
from tests.support.databases import create_database, drop_database
from tests.support.models import HeldModel
from tests.support.process import serving
from tests.support.running_service import PASSWORD, Person, RunningService, running

OWN = read_conversations(file_to_read(None))
TURNS = sum(len(each.prompts) for each in OWN)


async def conversations_of(person: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await person.client.get("/api/v1/conversations?limit=200")).json()["items"]
    return items


async def tokens_left(service: RunningService) -> int:
    async with service.database.transaction() as connection:
        return (await connection.exec_driver_sql("SELECT count(*) FROM access_tokens")).scalar_one()


async def test_the_first_administrator_sees_the_conversations(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        admin = await service.administrator()
        other = await service.person("zoe")
        ran = await chatkeep("demo-data", "--url", service.url)
        assert ran.code == 0, ran.err
        assert [" ".join(line.split()) for line in ran.lines] == [
            "account admin",
            "conversations 12 made, 0 there from an earlier run and left alone",
            f"turns {TURNS} sent, {TURNS} answered",
            f"histories {TURNS} of {TURNS} prompts came back byte for byte",
            "failures 0",
        ]
        assert f"Sign in as admin at {service.url}" in ran.err
        assert {each["metadata"]["demo"] for each in await conversations_of(admin)} == {each.id for each in OWN}
        assert await conversations_of(other) == []
        users = (await admin.client.get("/api/v1/admin/users")).json()["items"]
        assert {each["username"] for each in users} == {"admin", "zoe"}
        assert await tokens_left(service) == 0
        acts = (await admin.client.get("/api/v1/admin/audit?actor_kind=operator")).json()["items"]
        assert {"token_created", "token_deleted"} <= {each["action"] for each in acts}


async def test_a_second_run_adds_only_what_is_missing(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        alice = await service.person("alice")
        first = await chatkeep("demo-data", "--username", "ALICE", "--url", service.url)
        assert first.code == 0, first.err
        gone = (await conversations_of(alice))[0]
        assert (await alice.client.delete(f"/api/v1/conversations/{gone['id']}")).status_code == 204
        again = await chatkeep.on_terminal("demo-data", "--username", "alice", "--url", service.url)
        assert again.code == 0, again.out
        assert "1 made, 11 there from an earlier run and left alone" in without_styles(again.out)
        assert len(await conversations_of(alice)) == 12


async def test_what_was_made_can_be_taken_away_and_nothing_else(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        admin = await service.administrator()
        own = await admin.conversation(metadata={"demo": "of my own"})
        namesake = await service.person("demo-band")
        await namesake.client.patch("/api/v1/auth/me", json={"display_name": "Demonstration"})
        kept = await namesake.conversation()
        for options in ((), ("--people",)):
            assert (await chatkeep("demo-data", "--url", service.url, *options)).code == 0
        people = (await admin.client.get("/api/v1/admin/users?q=demo-&limit=200")).json()["items"]
        assert [each["display_name"] for each in people] == ["Demonstration"] * 13
        removed = await chatkeep("demo-data", "--remove")
        assert [" ".join(line.split()) for line in removed.lines] == [
            "accounts 12 made for demonstration removed, with their conversations",
            "conversations 12 removed from accounts that stay",
        ]
        users = (await admin.client.get("/api/v1/admin/users")).json()["items"]
        assert {each["username"]: each["conversation_count"] for each in users} == {"admin": 1, "demo-band": 1}
        assert [each["id"] for each in await conversations_of(admin)] == [own]
        assert [each["id"] for each in await conversations_of(namesake)] == [kept]
        again = await chatkeep("demo-data", "--remove")
        assert "accounts       0 made for demonstration removed" in again.out


async def test_a_legal_hold_keeps_a_demonstration(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        alice = await service.person("alice")
        kept = await alice.conversation(metadata=MADE_BY)
        assert (await chatkeep("user", "hold", "alice")).code == 0
        ran = await chatkeep("demo-data", "--remove")
        assert ran.code == 1
        assert "legal hold" in ran.err
        assert [each["id"] for each in await conversations_of(alice)] == [kept]


async def test_an_account_that_cannot_be_filled_is_named(chatkeep: Command, database_url: str) -> None:
    async with running(database_url, admin_password=None) as service:
        ran = await chatkeep("demo-data", "--url", service.url)
        assert "There is no administrator yet. Name another account with --username." in ran.err
        ran = await chatkeep("demo-data", "--url", service.url, "--username", "nobody")
        assert "There is no user nobody." in ran.err
        await service.person("bob")
        assert (await chatkeep("user", "disable", "bob")).code == 0
        ran = await chatkeep("demo-data", "--url", service.url, "--username", "bob")
        assert (ran.code, ran.out) == (1, "")
        assert "bob is disabled. Name another account." in ran.err
        assert await tokens_left(service) == 0


async def test_another_database_than_the_service_has_is_told_apart(
    bare_chatkeep: Command, chatkeep: Command, database_url: str, server_url: str, template: str
) -> None:
    other = await create_database(server_url, template)
    try:
        async with running(other) as service:
            # Not in the usual folder, where this user may have a database.
            empty = bare_chatkeep.folder / "empty"
            ran = await bare_chatkeep("demo-data", "--url", service.url, CHATKEEP_DATA_DIR=str(empty))
            assert ran.code == 1
            assert "There is no database of the service in" in ran.err
            assert not (empty / "postgresql").exists()
            made = await chatkeep("user", "create", "admin", "--role", "admin", "--password-stdin", stdin=PASSWORD)
            assert made.code == 0, made.err
            ran = await chatkeep("demo-data", "--url", service.url)
            assert ran.code == 1
            assert f"The service at {service.url} has another database than this command." in ran.err
    finally:
        await drop_database(server_url, other)


async def test_the_service_of_the_database_is_found_at_any_port(bare_chatkeep: Command, tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="chatkeep-") as data_dir:
        options = ("--data-dir", data_dir)
        settings = {"secret_key": "", "cookie_secure": ""}
        async with serving(tmp_path, "--local", "--migrate", *options, **settings) as service:
            ran = await bare_chatkeep("demo-data", *options)
            assert ran.code == 0, ran.err
            assert f"Sign in as admin at {service.url}" in ran.err
        ran = await bare_chatkeep("demo-data", *options)
        assert (ran.code, ran.out) == (1, "")
        assert f"No service is running on the database in {data_dir}." in ran.err
        assert "conversations of" not in ran.err


async def test_with_a_database_server_of_ones_own_no_token_goes_to_an_unnamed_place(
    chatkeep: Command, database_url: str
) -> None:
    """Whatever answers at the settings' port: a stranger's program, which gets no request, or the service itself."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with stranger, running(database_url) as service:
        for port in (stranger.sockets[0].getsockname()[1], service.url.rpartition(":")[2]):
            ran = await chatkeep("demo-data", CHATKEEP_PORT=str(port))
            assert (ran.code, ran.out) == (1, "")
            assert "Name the service's address, such as --url http://127.0.0.1:8000" in ran.err
        acts = await service.administrator()
        assert "token_created" not in (await acts.client.get("/api/v1/admin/audit")).text
    assert asked == []


async def test_options_that_exclude_each_other_are_refused(bare_chatkeep: Command) -> None:
    for options in (("--people", "--remove"), ("--people", "--username", "a"), ("--remove", "--username", "a")):
        ran = await bare_chatkeep("demo-data", *options)
        assert ran.code == 2
        assert "Choose one of --username, --people and --remove." in " ".join(ran.err.replace("│", " ").split())


async def test_ctrl_c_leaves_no_token_behind(chatkeep: Command, database_url: str) -> None:
    model = HeldModel("Hel", None)
    async with running(database_url, model=model, shutdown_grace_seconds=0) as service:
        ran = await chatkeep.on_terminal("demo-data", "--url", service.url, typed=[("0/27", "\x03")])
        assert await tokens_left(service) == 0
        model.go_on()
    assert ran.code == 130
    assert "Traceback" not in ran.out
