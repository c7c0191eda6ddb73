"""Commands behind a pooler or on a standby."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from chatkeep.database import migrations
from tests.cli.command_runner import SECRET_KEY, Command
from tests.cli.test_doctor import level_of
from tests.support.clusters import Cluster, cluster, standby, synchronous_standby
from tests.support.poolers import pooled

# `-c work_mem=8MB`, which a server may spell otherwise.
WORK_MEM = "-c%20work_mem%3D8192"


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


async def test_the_doctor_says_what_a_role_cannot_see_of_standbys(primary: Cluster, bare_chatkeep: Command) -> None:
    """The role owns its tables and is otherwise like anybody's."""
    async with synchronous_standby(primary):
        for statement in (
            "CREATE ROLE chatkeep LOGIN",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO chatkeep",
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO chatkeep",
        ):
            await primary.ask(statement)
        url = primary.url.replace("postgres@", "chatkeep@")
        found = await standby_findings(bare_chatkeep, url)
        assert [each["level"] for each in found] == ["ok", "note"], found
        assert "1 of 1 are not shown" in found[1]["what"]
        assert "pg_read_all_stats" in found[1]["advice"]
        await primary.ask("GRANT pg_read_all_stats TO chatkeep")
        assert [each["level"] for each in await standby_findings(bare_chatkeep, url)] == ["ok"]


async def test_the_doctor_tells_of_the_one_standby_that_nobody_waits_for(
    primary: Cluster, bare_chatkeep: Command
) -> None:
    async with standby(primary, "near"), standby(primary, "far"):
        await primary.reconfigure(synchronous_standby_names="near")
        found = await standby_findings(bare_chatkeep, primary.url)
        assert [each["level"] for each in found] == ["ok", "warning"], found
        assert found[1]["what"] == "A standby is asynchronous: acknowledged turns can be lost when it is promoted."


async def test_the_doctor_says_why_every_write_hangs(primary: Cluster, bare_chatkeep: Command) -> None:
    await primary.reconfigure(synchronous_standby_names="nobody")
    (found,) = await standby_findings(bare_chatkeep, primary.url)
    assert (found["level"], "Every write hangs" in found["what"]) == ("problem", True)


async def test_the_doctor_names_the_standby_that_administrators_read_on(
    primary: Cluster, bare_chatkeep: Command
) -> None:
    secret = "geheim"
    environment = {"CHATKEEP_DATABASE_URL": primary.url, "CHATKEEP_SECRET_KEY": SECRET_KEY}

    async def found(server: Cluster) -> tuple[str, str]:
        url = server.url.replace("postgres@", f"postgres:{secret}@")
        ran = await bare_chatkeep("doctor", "--json", CHATKEEP_READ_DATABASE_URL=url, **environment)
        assert secret not in ran.out + ran.err
        ours = ("CHATKEEP_READ", "Administrators read on the standby")
        (one,) = [each for each in ran.objects_of("findings") if any(words in str(each) for words in ours)]
        return one["level"], one["what"]

    async with standby(primary) as second:
        level, what = await found(second)
        assert (level, "has caught up" in what) == ("ok", True)
        await second.ask("SELECT pg_wal_replay_pause()")
        await primary.ask("CREATE TABLE written_after_the_pause ()")
        level, what = await found(second)
        assert (level, "has not caught up" in what) == ("warning", True)
        level, what = await found(primary)
        assert (level, "is no standby" in what) == ("warning", True)
        await second.stop(signal.SIGQUIT)
        level, what = await found(second)
        assert (level, "Cannot use the database" in what) == ("warning", True)


async def standby_findings(command: Command, url: str) -> list[dict[str, str]]:
    ran = await command("doctor", "--json", CHATKEEP_DATABASE_URL=url)
    return [each for each in ran.objects_of("findings") if "standby" in each["what"]]


async def test_the_doctor_names_options_that_a_pooler_drops(chatkeep: Command, database_url: str) -> None:
    for mode in ("session", "transaction"):
        async with pooled(database_url, pool_mode=mode, ignore_startup_parameters="options") as pooler:
            ran = await chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=f"{pooler.url}?options={WORK_MEM}")
        (found,) = [each for each in ran.objects_of("findings") if "drops work_mem" in each["what"]]
        assert (found["level"], "ALTER ROLE" in found["advice"]) == ("warning", True)
    ran = await chatkeep("doctor", "--json", CHATKEEP_DATABASE_URL=with_options(database_url))
    assert not [each for each in ran.objects_of("findings") if "drops" in each["what"]]


def with_options(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={WORK_MEM}"


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
