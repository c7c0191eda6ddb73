"""The retention policy at the terminal."""

import random

import asyncpg

from tests.admin.rows import keep, some_turns
from tests.cli.command_runner import Command
from tests.support.urls import driver_url

DAYS = '{"user": 1}'


async def value(database_url: str, query: str) -> object:
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_tells_of_the_policy_and_deletes_when_it_is_told_to(chatkeep: Command, database_url: str) -> None:
    await keep(database_url, some_turns(random.Random(1), turns=60))
    many = await value(database_url, "SELECT count(*) FROM conversations")
    for arguments in (("retention",), ("retention", "--dry-run"), ("retention", "run", "--dry-run")):
        ran = await chatkeep(*arguments, CHATKEEP_RETENTION_DAYS=DAYS)
        assert (ran.code, ran.out) == (0, f"{many} conversations with 0 turns would be deleted.\n"), ran.err
        assert "kept for 1 days" in ran.err
    ran = await chatkeep("retention", "run", CHATKEEP_RETENTION_DAYS=DAYS)
    assert ran.out == f"{many} conversations with 0 turns deleted.\n"
    assert await value(database_url, "SELECT count(*) FROM turns") == 0


async def test_without_a_policy_everything_is_kept(chatkeep: Command) -> None:
    ran = await chatkeep("retention", "run")
    assert (ran.code, ran.out) == (0, "CHATKEEP_RETENTION_DAYS names no role: everything is kept.\n")


async def test_a_policy_that_is_none_is_refused(chatkeep: Command) -> None:
    for days in ('{"users": 1}', '{"user": 0}', '{"user": "a year"}', "30"):
        ran = await chatkeep("retention", CHATKEEP_RETENTION_DAYS=days)
        assert (ran.code, ran.out) == (1, ""), days
        assert "RETENTION_DAYS" in ran.err
