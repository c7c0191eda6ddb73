"""`chatkeep import` and `chatkeep export`."""

import json
from pathlib import Path

import pytest

from tests.cli.command_runner import SECRET_KEY, Command, without_styles
from tests.support.running_service import RunningService
from tests.transfer.formats.test_chatgpt import numbered, zipped
from tests.transfer.test_round_trip import without_ids
from tests.transfer.upload_client import history


@pytest.fixture
def command(tmp_path: Path, shared_database_url: str) -> Command:
    """The command, on the database of the running service."""
    return Command(tmp_path, {"CHATKEEP_DATABASE_URL": shared_database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY})


async def test_a_file_is_imported_with_a_line_for_each_conversation(
    service: RunningService, command: Command, tmp_path: Path
) -> None:
    person = await service.person("アリス")
    (tmp_path / "export.zip").write_bytes(zipped(conversations_json=[*numbered(1, 2), {"mapping": "broken"}]))
    ran = await command("import", "export.zip", "--user", "ｱﾘｽ")
    assert ran.code == 1
    assert [line.split()[0] for line in ran.lines] == ["imported", "imported", "failed"]
    assert ran.lines[0].split() == ["imported", "c1", "4", "turns", "Tea"]
    assert "conversations.json#3" in ran.lines[2]
    assert ran.err == "2 imported, 0 skipped, 1 failed\n"
    assert len(await history(person)) == 2
    (tmp_path / "good.json").write_text(json.dumps(numbered(1, 2, 3)))
    shown = await command.on_terminal("import", "good.json", "--user", "アリス")
    assert shown.code == 0
    assert "Importing" in shown.out
    assert "1 imported, 2 skipped, 0 failed" in without_styles(shown.out)
    again = await command("import", "good.json", "--user", "アリス", "--format", "jsonl")
    assert [each["outcome"] for each in again.objects] == ["skipped"] * 3


async def test_ctrl_c_keeps_what_was_imported_and_says_so(
    service: RunningService, command: Command, tmp_path: Path
) -> None:
    person = await service.person("dave")
    (tmp_path / "many.json").write_text(json.dumps(numbered(*range(3000))))
    broken_off = await command.on_terminal("import", "many.json", "--user", "dave", typed=[("imported", "\x03")])
    assert broken_off.code == 130
    assert "Import the file again to continue." in without_styles(broken_off.out)
    kept = len((await person.client.get("/api/v1/conversations", params={"limit": 200})).json()["items"])
    assert kept > 0
    (tmp_path / "few.json").write_text(json.dumps(numbered(*range(20))))
    again = await command("import", "few.json", "--user", "dave", "--format", "jsonl")
    outcomes = [each["outcome"] for each in again.objects]
    assert outcomes == ["skipped"] * min(kept, 20) + ["imported"] * max(20 - kept, 0)


async def test_what_is_printed_can_be_imported(service: RunningService, command: Command, tmp_path: Path) -> None:
    author, reader = await service.person("author"), await service.person("reader")
    conversation_id = await author.conversation(title="お茶")
    await author.say(conversation_id, "一杯ください")
    printed = await command("export", "--user", "author")
    assert printed.objects == await history(author)
    (tmp_path / "author.jsonl").write_text(printed.out)
    assert (await command("import", "author.jsonl", "--user", "reader")).code == 0
    assert without_ids(await history(reader)) == without_ids(await history(author))


async def test_what_cannot_be_imported_is_said(service: RunningService, command: Command, tmp_path: Path) -> None:
    await service.person("carol")
    (tmp_path / "letter.txt").write_text("Dear all")
    for arguments, code, reason in (
        (("import", "letter.txt", "--user", "carol"), 1, "no file that can be imported"),
        (("import", "letter.txt", "--user", "nobody-there"), 1, "There is no user nobody-there."),
        (("import", "missing.zip", "--user", "carol"), 2, "does not exist"),
        (("import", "letter.txt"), 2, "--user"),
        (("export", "--user", "nobody-there"), 1, "There is no user nobody-there."),
    ):
        ran = await command(*arguments)
        assert (ran.code, ran.out) == (code, ""), arguments
        assert reason in " ".join(ran.err.replace("│", " ").split()), arguments
