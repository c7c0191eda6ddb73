"""`chatkeep demo-data`: fills a running service over HTTP, and tells what came of it."""

import json
from pathlib import Path

import pytest
from yarl import URL

from chatkeep.chat.models.errors import ModelUnreachable
from chatkeep.cli.http_client import Client
from chatkeep.cli.work.demo_conversations import DemoConversation, file_to_read, read_conversations
from chatkeep.cli.work.demo_people import Person
from chatkeep.errors import ConfigurationError
from tests.cli.command_runner import Command, without_styles
from tests.support.models import HeldModel
from tests.support.running_service import running

OWN = read_conversations(file_to_read(None))


def test_the_conversations_that_come_along() -> None:
    assert len(OWN) == len({each.username for each in OWN}) == 12
    assert sum(each.metadata["language"] == "ja" for each in OWN) == 6
    assert {len(each.prompts) for each in OWN} == {2, 3}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '"text"',
        '{"id": "x", "turns": []}',
        '{"id": "x", "turns": ["text"]}',
        '{"id": "x", "turns": [{"prompt": 1}]}',
        '{"turns": [{"prompt": "Hello"}]}',
        '{"id": "x", "turns": [{"prompt": "\\ud800"}]}',
    ],
)
def test_what_is_no_conversation_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text('{"id": "a", "turns": [{"prompt": "U+2028 \u2028 is no end of a line"}]}\n\n' + line)
    with pytest.raises(ConfigurationError, match=r"broken\.jsonl, line 3 is no conversation"):
        read_conversations(file)


async def test_people_are_made_once_however_often_it_runs(bare_chatkeep: Command, database_url: str) -> None:
    async with running(database_url, cookie_secure=True) as service:
        first = await bare_chatkeep("demo-data", "--people", "--url", service.url)
        assert first.code == 0, first.err
        turns = sum(len(each.prompts) for each in OWN)
        assert [" ".join(line.split()) for line in first.lines] == [
            "conversations 12 made, 0 there from an earlier run and left alone",
            f"turns {turns} sent, {turns} answered",
            f"histories {turns} of {turns} prompts came back byte for byte",
            "failures 0",
        ]
        again = await bare_chatkeep.on_terminal("demo-data", "--people", "--url", f"{service.url}/")
        assert again.code == 0
        assert "0 made, 12 there from an earlier run" in without_styles(again.out)
        async with service.database.transaction() as connection:
            kept = (await connection.exec_driver_sql("SELECT prompt FROM turns")).scalars().all()
    assert sorted(kept) == sorted(prompt for each in OWN for prompt in each.prompts)


async def test_a_file_in_the_folder_is_used_and_each_line_has_its_user(
    bare_chatkeep: Command, database_url: str
) -> None:
    prompts = ["  spaces, \t tabs\n\nand \u2028 breaks  ", "日本語\u3000😀"]
    lines = [
        {"id": f"x-{number}", "language": "en", "category": "odd", "turns": [{"prompt": each} for each in prompts]}
        for number in range(40)
    ]
    (bare_chatkeep.folder / "conversations.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    async with running(database_url) as service:
        taken = await service.person("demo-x-7")
        ran = await bare_chatkeep("demo-data", "--people", "--url", service.url, "--users", "30")
        assert ran.code == 0, ran.err
        assert ran.lines[0].split()[1:3] == ["39", "made,"]
        assert "78 of 78 prompts came back byte for byte" in ran.out
        assert (await taken.client.get("/api/v1/conversations")).json()["items"] == []


async def test_failures_are_told_and_end_with_1(bare_chatkeep: Command, database_url: str) -> None:
    (bare_chatkeep.folder / "conversations.jsonl").write_text(
        '{"id": "works not", "turns": [{"prompt": "Hello"}]}\n{"id": "fails", "turns": [{"prompt": "Hello"}]}\n'
    )
    model = HeldModel("Hel", ModelUnreachable("The model server is away."))
    async with running(database_url, model=model) as service:
        ran = await bare_chatkeep("demo-data", "--people", "--url", service.url)
    assert ran.code == 1
    assert ran.lines[-1].split() == ["failures", "2"]
    assert "demo-works not: 422 invalid_request." in ran.err
    assert "demo-fails, prompt 1: failed. The model server is away." in ran.err
    assert "1 of 1 prompts came back" in ran.out


async def test_a_prompt_that_came_back_in_other_bytes_is_a_failure(database_url: str) -> None:
    conversation = DemoConversation("x", {}, ("Cafe\u0301", "Tea"))
    async with running(database_url) as service, Client(URL(service.url)) as client:
        person = Person(client, conversation)
        await person.register()
        await person.begin()
        for number, prompt in enumerate(conversation.prompts, start=1):
            await person.say(number, prompt)
        async with service.database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE turns SET prompt = normalize(prompt, NFC)")
        await person.compare()
    assert (person.sent, person.kept) == (2, 1)
    assert person.failures == ["demo-x, prompt 1: the history differs from the prompt that was sent."]


async def test_what_stops_it_at_once_is_one_sentence(bare_chatkeep: Command, database_url: str) -> None:
    async with running(database_url, allow_registration=False) as service:
        ran = await bare_chatkeep("demo-data", "--people", "--url", service.url)
        assert (ran.code, ran.out) == (1, "")
        assert "CHATKEEP_ALLOW_REGISTRATION=true" in ran.err
        ran = await bare_chatkeep("demo-data", "--people", "--url", f"{service.url}/elsewhere")
        assert "is not Chatkeep (404)" in ran.err
    for arguments, reason in (
        (("--data-dir", str(bare_chatkeep.folder)), "There is no database of the service in"),
        (("--url", service.url), "Start the service there"),
        (("--url", "chat.example.org"), "is not an address such as"),
        (("--file", "nowhere.jsonl"), "nowhere.jsonl cannot be read: No such file"),
    ):
        ran = await bare_chatkeep("demo-data", *arguments)
        assert (ran.code, ran.out) == (1, "")
        assert reason in ran.err


async def test_too_many_registrations_are_explained(bare_chatkeep: Command, database_url: str) -> None:
    async with running(database_url, max_registrations_per_hour=3) as service:
        ran = await bare_chatkeep("demo-data", "--people", "--url", service.url)
    assert ran.code == 1
    assert "3 made" in ran.out
    assert "the service accepts no more new accounts for now. Run the command again in " in ran.err
    assert "CHATKEEP_MAX_REGISTRATIONS_PER_HOUR." in ran.err


async def test_ctrl_c_ends_it_quietly(bare_chatkeep: Command, database_url: str) -> None:
    model = HeldModel("Hel", None)
    async with running(database_url, model=model, shutdown_grace_seconds=0) as service:
        ran = await bare_chatkeep.on_terminal("demo-data", "--people", "--url", service.url, typed=[("0/27", "\x03")])
        model.go_on()
    assert ran.code == 130
    assert "Traceback" not in ran.out
