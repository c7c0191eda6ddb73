"""`chatkeep db`: from nothing to this version and back, and what is wrong with the tables."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatkeep.database.migrations import head_revision
from tests.cli.command_runner import SECRET_KEY, Command, without_styles
from tests.support.databases import create_database, drop_database, run


@pytest.fixture
async def empty_database(server_url: str, tmp_path: Path) -> AsyncIterator[Command]:
    """The command, with a database in which nothing is."""
    url = await create_database(server_url)
    yield Command(tmp_path, {"CHATKEEP_DATABASE_URL": url, "CHATKEEP_SECRET_KEY": SECRET_KEY})
    await drop_database(server_url, url)


async def test_a_database_goes_to_this_version_and_back(empty_database: Command) -> None:
    chatkeep, head = empty_database, head_revision()
    assert (await chatkeep("db", "current")).out == f"(empty), behind head {head}\n"
    checked = await chatkeep("db", "check")
    assert (checked.code, checked.out) == (1, "")
    assert "Run `chatkeep db upgrade`" in checked.err
    assert (await chatkeep("db", "upgrade")).out == f"The database went from (empty) to {head} (head).\n"
    assert (await chatkeep("db", "upgrade")).out == f"Nothing to do: the database is at {head} (head).\n"
    assert (await chatkeep("db", "check")).code == 0
    assert (await chatkeep("db", "downgrade", "base", "--yes")).code == 0
    assert (await chatkeep("db", "current")).out.startswith("(empty)")


async def test_commands_refuse_a_database_of_another_version(empty_database: Command) -> None:
    for command in (("user", "list"), ("history",)):
        ran = await empty_database(*command)
        assert (ran.code, ran.out) == (1, "")
        assert "The database is at revision (empty)" in ran.err
        assert "Run `chatkeep db upgrade`" in ran.err


async def test_check_says_what_differs(chatkeep: Command, database_url: str) -> None:
    await run(
        database_url,
        "ALTER TABLE users DROP COLUMN email, ADD COLUMN shoe_size integer",
        "ALTER TABLE turns ALTER COLUMN prompt TYPE varchar(20), ALTER COLUMN status DROP NOT NULL",
        "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'admin'",
        "DROP INDEX ix_turns_rated",
        "CREATE TABLE notes (id integer)",
    )
    ran = await chatkeep("db", "check")
    assert (ran.code, ran.out) == (1, "")
    for difference in (
        "users.email is missing",
        "users.shoe_size does not belong to the service",
        "turns.prompt is VARCHAR(20), not TEXT",
        "turns.status may be null",
        "users.role has another default",
        "ix_turns_rated is missing",
        "table notes does not belong to the service",
    ):
        assert difference in ran.err
    listed = await chatkeep("user", "list")
    assert (listed.code, listed.out) == (1, "")
    assert "`chatkeep db check` shows the differences" in listed.err


async def test_nothing_is_lost_without_a_yes(chatkeep: Command) -> None:
    ran = await chatkeep("db", "downgrade", "-1", stdin="y\n")
    assert (ran.code, ran.out) == (1, "")
    assert "Add --yes" in ran.err
    for no in ("n\n", "\n"):
        ran = await chatkeep.on_terminal("db", "downgrade", "-1", typed=[("Go on? [y/N]:", no)])
        assert ran.code == 1
        assert "is lost" in without_styles(ran.out)
    assert (await chatkeep("db", "check")).code == 0
    ran = await chatkeep.on_terminal("db", "downgrade", "-1", typed=[("Go on? [y/N]:", "y\n")])
    assert ran.code == 0


async def test_a_revision_that_is_not_there_names_those_that_are(chatkeep: Command) -> None:
    for command in (("upgrade", "nope"), ("downgrade", "nope", "--yes"), ("downgrade", "-99", "--yes")):
        ran = await chatkeep("db", *command)
        assert (ran.code, ran.out) == (1, "")
        assert "The revisions are: base, " in ran.err
        assert head_revision() in ran.err


async def test_what_postgresql_refuses_is_said_in_its_words(chatkeep: Command, database_url: str) -> None:
    await run(database_url, "DROP INDEX ix_turns_rated")
    ran = await chatkeep("db", "downgrade", "base", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert 'PostgreSQL says: index "ix_turns_rated" does not exist' in ran.err
