"""`chatkeep history`: what `GET /api/v1/admin/history` answers, in the terminal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.text import Text

from chatkeep.ids import new_id
from tests.cli.command_runner import ESCAPE, SECRET_KEY, Command, without_styles
from tests.support.running_service import Person, RunningService
from tests.support.urls import driver_url

PROMPTS = (
    "おはようございます。今日の天気はどうですか?",
    'Two lines\nand a\ttab, a quote " and a backslash \\ and 😀 e\u0301 \ufeff',
    "\x1b]0;owned\x07 \x9b2J \u202e and breaks to some: \u2028 \u2029 \x85 \x0b",
)


@pytest.fixture
def history(tmp_path: Path, shared_database_url: str) -> Command:
    """The command, on the database of the running service."""
    return Command(tmp_path, {"CHATKEEP_DATABASE_URL": shared_database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY})


async def talk(service: RunningService, name: str) -> tuple[Person, str, list[dict[str, Any]]]:
    """Have a new user say all of `PROMPTS`."""
    person = await service.person(name)
    conversation = await person.conversation()
    return person, conversation, [await person.say(conversation, prompt) for prompt in PROMPTS]


async def change(service: RunningService, turn_id: str, **values: object) -> None:
    async with service.database.transaction() as connection:
        for column, value in values.items():
            await connection.exec_driver_sql(f"UPDATE turns SET {column} = $1 WHERE id = $2", (value, turn_id))
        # As the service keeps them beside the turns.
        await connection.exec_driver_sql(
            "INSERT INTO unusual_turns SELECT user_id, id, status FROM turns WHERE status <> 'complete'"
            " ON CONFLICT DO NOTHING"
        )


async def test_jsonl_has_the_apis_fields_and_every_byte(service: RunningService, history: Command) -> None:
    _, conversation, turns = await talk(service, "byte-exact")
    admin = await service.administrator()
    wanted = (await admin.client.get("/api/v1/admin/history", params={"conversation_id": conversation})).json()["items"]
    ran = await history("history", "--conversation-id", conversation, "--format", "jsonl")
    assert (ran.code, ran.err) == (0, "")
    assert ran.objects == wanted
    assert [turn["prompt"]["content"] for turn in ran.objects] == list(reversed(PROMPTS))
    # One turn is one line to whoever splits lines, and nothing but text to a terminal.
    assert len(ran.lines) == len(turns)
    assert ESCAPE not in ran.out
    assert "\x9b" not in ran.out


async def test_filters_are_those_of_the_api(service: RunningService, history: Command) -> None:
    alice, conversation, turns = await talk(service, "アリス")
    await change(service, turns[0]["id"], status="failed", error_code="model_down", error_detail="Down.")
    await change(service, turns[1]["id"], rating=-1, model="small-model")
    admin = await service.administrator()
    begun = turns[1]["created_at"]
    of_alice = {"username": "アリス"}
    for options, params, count in (
        (("--username", "ｱﾘｽ"), of_alice, 3),
        (("--user-id", alice.id, "--status", "failed"), {"user_id": alice.id, "status": "failed"}, 1),
        (("--conversation-id", conversation, "--rating", "-1"), {"conversation_id": conversation, "rating": "-1"}, 1),
        (("--model", "small-model"), {"model": "small-model"}, 1),
        (("--username", "アリス", "--from", begun), of_alice | {"from": begun}, 2),
        (("--username", "アリス", "--to", begun), of_alice | {"to": begun}, 1),
    ):
        wanted = (await admin.client.get("/api/v1/admin/history", params=params)).json()["items"]
        assert len(wanted) == count, options
        assert (await history("history", "--format", "jsonl", *options)).objects == wanted, options


async def test_what_cannot_fit_is_said(service: RunningService, history: Command) -> None:
    bob, _, _ = await talk(service, "bob")
    for options, code, reason in (
        (("--username", "nobody-there"), 1, "There is no user nobody-there."),
        (("--user-id", "bob"), 2, "valid UUID"),
        (("--rating", "5"), 2, "'5' is not one of"),
        (("--from", "tomorrow"), 2, "tomorrow is not a time"),
        (("--from", "1h", "--to", "2h"), 2, "--from is not before --to"),
        (("--limit", "0"), 2, "greater than or equal to 1"),
        (("--username", "admin", "--user-id", bob.id), 0, "are two users"),
        (("--username", "bob", "--to", "7d"), 0, "No turn matches."),
    ):
        ran = await history("history", *options)
        assert (ran.code, ran.out) == (code, ""), options
        assert reason in " ".join(ran.err.replace("│", " ").split()), options


async def test_a_table_shows_cut_text_on_a_line_a_turn(service: RunningService, history: Command) -> None:
    await talk(service, "とても長い名前の利用者さん")
    options = ("history", "--username", "とても長い名前の利用者さん", "--limit", "2")
    for columns in (60, 100):
        ran = await history.on_terminal(*options, columns=columns)
        assert "]0;owned" in ran.out
        assert f"{ESCAPE}]0;" not in ran.out
        header, *rows, more = without_styles(ran.out).splitlines()
        assert header.split()[:3] == ["TIME", "(UTC)", "USER"]
        assert len(rows) == 2
        assert all(Text(row).cell_len <= columns for row in rows)
        assert all("とても長い名前の利…" in row for row in rows)
        assert more.startswith("There are more turns: raise --limit")
    piped = await history(*options)
    assert "とても長い名前の利用者さん" in piped.lines[1]
    assert ESCAPE not in piped.out


async def test_everything_is_read_to_its_end_and_no_more_than_asked(chatkeep: Command, database_url: str) -> None:
    prompts = [f"prompt {number:03}" for number in range(450)]
    await insert_turns(database_url, prompts)
    everything = await chatkeep("history", "--all", "--format", "jsonl")
    assert [turn["prompt"]["content"] for turn in everything.objects] == prompts[::-1]
    some = await chatkeep("history", "--limit", "200")
    assert len(some.lines) == 201
    assert "There are more turns" in some.err
    exactly = await chatkeep("history", "--limit", "450")
    assert (len(exactly.lines), exactly.err) == (451, "")
    assert len((await chatkeep("history")).lines) == 51


async def test_a_reader_that_has_seen_enough_stops_it_quietly(chatkeep: Command, database_url: str) -> None:
    await insert_turns(database_url, ["すもももももももものうち" * 200] * 450)
    for output in ("table", "jsonl"):
        ran = await chatkeep.in_shell(f"chatkeep history --all --format {output} | head -n 1 | wc -l")
        assert (ran.out.strip(), ran.err) == ("1", "")


async def insert_turns(database_url: str, prompts: list[str]) -> None:
    """Insert a user with one conversation of these prompts."""
    user_id, conversation_id, now = new_id(), new_id(), datetime.now(UTC)
    connection = await asyncpg.connect(driver_url(database_url))
    await connection.execute(
        "INSERT INTO users (id, username, username_key, created_at) VALUES ($1, 'alice', 'alice', $2)", user_id, now
    )
    await connection.execute(
        "INSERT INTO conversations (user_id, id, created_at, updated_at, last_turn_at) VALUES ($1, $2, $3, $3, $3)",
        user_id,
        conversation_id,
        now,
    )
    await connection.executemany(
        "INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, created_at)"
        " VALUES ($1, $2, $3, $4, 'complete', $5, $6)",
        [
            (user_id, new_id(), conversation_id, position, prompt, now + timedelta(milliseconds=position))
            for position, prompt in enumerate(prompts)
        ],
    )
    await connection.close()
