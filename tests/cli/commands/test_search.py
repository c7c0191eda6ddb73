"""`chatkeep search reindex` and `chatkeep history --q`, on the database of a running service."""

import re
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from chatkeep.chat.search.lexemes import VERSION
from chatkeep.chat.search.unindexed_turns import UnindexedTurns
from tests.accounts.client import change, value
from tests.cli.command_runner import SECRET_KEY, Command, without_styles
from tests.support.running_service import RunningService
from tests.support.settled import settle


@pytest.fixture
def command(tmp_path: Path, shared_database_url: str) -> Command:
    return Command(tmp_path, {"CHATKEEP_DATABASE_URL": shared_database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY})


async def test_what_is_missing_or_old_is_made_once(
    service: RunningService, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await service.person()
    # Each in a conversation of its own: the demonstration's replies repeat earlier prompts.
    prompts = ("緑茶について", "green tea", "black tea")
    turns = [await person.say(await person.conversation(), prompt) for prompt in prompts]
    await settle(service.chat.turn_store)
    # The service looks for what is missing once, when it has started. That must not come in between.
    monkeypatch.setattr(UnindexedTurns, "index", AsyncMock(return_value=0))
    await change(service.database, "DELETE FROM turn_entries WHERE turn_id = :t", t=turns[0]["id"])
    await change(
        service.database, "UPDATE turn_entries SET version = 0, lexemes = '{}' WHERE turn_id = :t", t=turns[1]["id"]
    )
    ran = await command("search", "reindex")
    assert (ran.code, ran.err, ran.out) == (0, "", "Turns checked: 3. Indexed: 2.\n")
    assert (await command("search", "reindex")).out == "Turns checked: 3. Indexed: 0.\n"
    assert await value(service.database, f"SELECT count(*) FROM turn_entries WHERE version = {VERSION}") == 3
    for q, found in (("緑茶", turns[:1]), ('"green tea"', turns[1:2]), ("TEA", turns[1:])):
        ran = await command("history", "--q", q, "--format", "jsonl")
        assert [turn["id"] for turn in ran.objects] == [turn["id"] for turn in found[::-1]], q


async def test_a_terminal_shows_how_far_it_is(service: RunningService, command: Command) -> None:
    person = await service.person()
    await person.say(await person.conversation(), "green tea")
    await settle(service.chat.turn_store)
    total = await value(service.database, "SELECT count(*) FROM turns")
    shown = without_styles((await command.on_terminal("search", "reindex")).out)
    assert re.search(rf"Reindexing\s+━+\s+{total}/{total}", shown), shown
    assert f"Turns checked: {total}. Indexed: 0." in shown


async def test_punctuation_alone_is_complained_of(service: RunningService, command: Command) -> None:
    ran = await command("history", "--q", "…")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing to look for" in ran.err
