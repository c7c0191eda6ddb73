"""Commands behind a pooler or on a standby."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatkeep.database import migrations
from tests.cli.command_runner import SECRET_KEY, Command
from tests.cli.test_doctor import level_of
from tests.support.clusters import Cluster, cluster, standby, synchronous_standby
from tests.support.poolers import pooled


@pytest.fixture
async def primary() -> AsyncIterator[Cluster]:
    async with cluster() as server:
        await asyncio.to_thread(migrations.upgrade, server.url)
        yield server


async def test_commands_say_that_a_standby_takes_no_changes(primary: Cluster, bare_chatkeep: Command) -> None:
    async with standby(primary) as second:
        ran = await bare_chatkeep(
            "serve", "--port", "0", CHATKEEP_DATABASE_URL=second.url, CHATKEEP_SECRET_KEY=SECRET_KEY
        )
        assert (ran.code, ran.err.count("read-only for now")) == (1, 1), ran.err
        ran = await bare_chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=second.url)
        (found,) = [each for each in ran.objects_of("findings") if "takes no changes" in each["what"]]
        assert (found["level"], "target_session_attrs" in found["advice"]) == ("problem", True)


async def test_the_doctor_tells_a_standby_that_may_miss_turns_from_one_that_may_not(
    primary: Cluster, bare_chatkeep: Command
) -> None:
    async def said() -> dict[str, str]:
        ran = await bare_chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=primary.url)
        return {each["level"]: each["what"] for each in ran.objects_of("findings") if "standby" in each["what"]}

    assert await said() == {}
    async with synchronous_standby(primary):
        assert list(await said()) == ["ok"]
        await primary.reconfigure(synchronous_standby_names="")
        assert list(await said()) == ["warning"]


async def test_a_pooler_that_works_is_named_with_what_it_needs(chatkeep: Command, database_url: str) -> None:
    for mode, part in (("session", "default_pool_size"), ("transaction", "more round trips")):
        async with pooled(database_url, pool_mode=mode) as pooler:
            ran = await chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=pooler.url)
        assert ran.code == 0
        (found,) = [each for each in ran.objects_of("findings") if f"pooler in {mode} mode" in each["what"]]
        assert (found["level"], part in found["advice"]) == ("note", True)


async def test_a_pooler_that_cannot_work_is_refused_in_a_sentence(chatkeep: Command, database_url: str) -> None:
    async with pooled(database_url, pool_mode="statement") as pooler:
        settings = {"CHATKEEP_DATABASE_URL": pooler.url}
        ran = await chatkeep("serve", "--port", "0", "--migrate", **settings)
        assert (ran.code, ran.err.count("pool_mode = session"), len(ran.err.split(". "))) == (1, 1, 2), ran.err
        ran = await chatkeep("doctor", "--json", **settings)
        assert (ran.code, level_of(ran, "pool_mode = session")) == (1, "problem")


async def test_a_pooler_without_a_free_connection_is_named(chatkeep: Command, database_url: str) -> None:
    async with pooled(database_url, pool_mode="session", default_pool_size=1) as pooler:
        ran = await chatkeep("serve", "--port", "0", CHATKEEP_DATABASE_URL=pooler.url)
    assert (ran.code, ran.err.count("default_pool_size")) == (1, 1), ran.err
    async with pooled(database_url, pool_mode="transaction", default_pool_size=1) as pooler:
        ran = await chatkeep("db", "check", CHATKEEP_DATABASE_URL=pooler.url)
    assert ran.code == 0, ran.err


async def test_backups_go_past_a_pooler_that_would_mix_them_up(chatkeep: Command, database_url: str) -> None:
    for mode, refused in (("session", ("restore",)), ("transaction", ("backup", "restore"))):
        async with pooled(database_url, pool_mode=mode) as pooler:
            file = chatkeep.folder / f"{mode}.backup"
            for command in ("backup", "restore"):
                ran = await chatkeep(command, str(file), CHATKEEP_DATABASE_URL=pooler.url)
                assert (ran.code, "the server's own address" in ran.err) == (
                    (1, True) if command in refused else (0, False)
                ), ran.err
                file.touch()


async def test_a_wrong_password_of_a_pooler_is_called_so(chatkeep: Command, database_url: str) -> None:
    async with pooled(database_url) as pooler:
        ran = await chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=pooler.url.replace("passw0rd", "geheim"))
    assert (ran.code, level_of(ran, "password authentication failed")) == (1, "problem")
    assert "geheim" not in ran.out + ran.err
