"""`chatkeep import` and `chatkeep export`."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.chat.files.pictures import FILES, add, png
from tests.cli.command_runner import SECRET_KEY, Command, without_styles
from tests.support.running_service import Person, RunningService
from tests.transfer.formats import examples
from tests.transfer.formats.test_chatgpt import numbered, zipped
from tests.transfer.test_round_trip import without_ids
from tests.transfer.upload_client import history, imported


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


async def test_several_files_folders_and_the_standard_input_are_one_import(
    service: RunningService, command: Command, tmp_path: Path
) -> None:
    person = await service.person("eve")
    shards = tmp_path / "shards" / "inner"
    shards.mkdir(parents=True)
    for number in range(5):
        (shards / f"{number}.json").write_text(json.dumps(numbered(number)))
    (shards / "notes.txt").write_text("not looked at")
    (tmp_path / "one.json").write_text(json.dumps(numbered(8, 9)))
    (tmp_path / "letter.json").write_text("Dear all")
    ran = await command("import", "one.json", "letter.json", "shards", "--user", "eve")
    assert (ran.code, ran.err) == (1, "7 imported, 0 skipped, 1 failed\n")
    assert "letter.json" in ran.lines[2]
    piped = await command.in_shell("cat one.json shards/inner/3.json | chatkeep import - --user eve")
    assert (piped.code, piped.err) == (0, "0 imported, 3 skipped, 0 failed\n")
    assert len(await history(person)) == 7


async def test_a_longer_export_says_what_it_added(service: RunningService, command: Command, tmp_path: Path) -> None:
    await service.person("fay")
    (tmp_path / "a.json").write_text(json.dumps([examples.claude(1, 1), examples.claude(2, 1)]))
    (tmp_path / "b.json").write_text(json.dumps([examples.claude(1, 3), examples.claude(2, 2)]))
    await command("import", "a.json", "--user", "fay")
    ran = await command("import", "b.json", "--user", "fay")
    assert ran.err == "0 imported, 0 skipped, 0 failed; 2 conversations continued, 3 turns added\n"
    assert ran.lines[0].split() == ["continued", "c1", "2", "turns", "added", "Title", "1"]


async def test_an_export_of_several_people_is_asked_about(
    service: RunningService, command: Command, tmp_path: Path
) -> None:
    person = await service.person("gil")
    chats = [examples.open_webui(number, 1) | {"user_id": name} for number, name in ((1, "ann"), (2, "ben"))]
    (tmp_path / "all.json").write_text(json.dumps(chats))
    ran = await command("import", "all.json", "--user", "gil")
    assert ran.code == 1
    assert "2 people: ann (1), ben (1)" in " ".join(ran.err.split())
    assert await history(person) == []
    ran = await command("import", "all.json", "--user", "gil", "--owner", "ben")
    assert (ran.code, ran.err) == (0, "1 imported, 1 skipped, 0 failed\n")
    ran = await command("import", "all.json", "--user", "gil", "--owner", "*")
    assert ran.err == "1 imported, 1 skipped, 0 failed\n"


async def test_somebody_at_a_terminal_is_asked_whose_are_meant(
    service: RunningService, command: Command, tmp_path: Path
) -> None:
    person = await service.person("hal")
    chats = [examples.open_webui(number, 1) | {"user_id": name} for number, name in ((1, "ann"), (2, "ben"), (3, "7"))]
    (tmp_path / "all.json").write_text(json.dumps(chats))
    typed = [("Whose are imported?", "cid, 2\n"), ("None of them is cid.", "2, 7\n")]
    shown = await command.on_terminal("import", "all.json", "--user", "hal", typed=typed)
    assert shown.code == 0, shown.out
    words = " ".join(without_styles(shown.out).split())
    assert "These are conversations of 3 people: 1 ann (1) 2 ben (1) 3 7 (1)" in words
    assert "2 imported, 1 skipped, 0 failed" in words
    assert len(await history(person)) == 2
    # Nobody's is an answer, too.
    none = await command.on_terminal("import", "all.json", "--user", "hal", typed=[("Whose are imported?", "\n")])
    assert (none.code, len(await history(person))) == (1, 2)


async def test_a_conversation_is_printed_to_be_read(service: RunningService, command: Command, tmp_path: Path) -> None:
    author, reader = await service.person(), await service.person()
    await with_files(author)
    ((conversation, title),) = [(each["id"], each["title"]) for each in await history(author)]
    options = ("export", "--user", author.username, "--conversation", conversation, "--format")
    page = await command(*options, "html", "--language", "ja")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith('<!doctype html>\n<html lang="ja">')
    assert "data:image/png;base64," in page.out
    text = await command(*options, "markdown")
    assert text.out.startswith(f"# {title}\n")
    ran = await command.in_shell(f"chatkeep {' '.join(options)} zip > one.zip")
    assert (ran.code, ran.err) == (0, "")
    ran = await command.in_shell(f"chatkeep export --user {author.username} --format html > all.zip")
    assert (ran.code, ran.err) == (0, "")
    for name in ("one.zip", "all.zip"):
        ran = await command("import", name, "--user", reader.username)
        assert ran.code == 0, ran.err
    assert await files_of(reader) == await files_of(author)
    other = await command("export", "--user", reader.username, "--conversation", conversation, "--format", "html")
    assert (other.code, other.out) == (1, "")
    assert "no conversation" in other.err
    log = (await author.client.get("/api/v1/auth/me/access-log")).json()["items"]
    assert {each["action"] for each in log} == {"history_exported"}
    assert len(log) == 4


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


TEXT = b"".join(b"%07d\n" % number for number in range(100_000))


async def with_files(person: Person) -> None:
    """Have somebody ask about a picture, and about a text of several pieces."""
    conversation = await person.conversation(title="Tea")
    for data, name in ((png(30, 20, shade=9), "cup.png"), (TEXT, "numbers.txt")):
        kept = await add(person, data, name)
        await person.say(conversation, f"What is {name}?", items=[{"type": "file", "file_id": kept["id"]}])


async def files_of(person: Person) -> list[tuple[str, bytes]]:
    """Return the files that the person's turns name, with their bytes."""
    found: list[Any] = [
        item for each in await history(person) for turn in each["turns"] for item in turn["prompt"]["items"]
    ]
    return [
        (item["name"], (await person.client.get(f"{FILES}/{item['file_id']}/content")).content)
        for item in found
        if "file_id" in item
    ]


def without_file_ids(exported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a history whose turns and files are called by nothing of their account."""
    found = without_ids(exported)
    for each in found:
        for turn in each["turns"]:
            for item in turn["prompt"]["items"]:
                item.pop("file_id", None)
    return found


async def own_names(person: Person) -> list[str]:
    """Return the names of somebody's files as their list has them, newest first."""
    return [each["name"] for each in (await person.client.get(FILES)).json()["items"]]


@pytest.mark.parametrize(("out", "back"), [("command", "command"), ("api", "command"), ("command", "api")])
async def test_a_zip_has_the_files_by_command_and_by_api(
    service: RunningService, command: Command, tmp_path: Path, out: str, back: str
) -> None:
    author, reader = await service.person(), await service.person()
    await with_files(author)
    file = tmp_path / "author.zip"
    if out == "command":
        ran = await command.in_shell(f"chatkeep export --user {author.username} --format zip > author.zip")
        assert (ran.code, ran.err) == (0, "")
    else:
        file.write_bytes((await author.client.get("/api/v1/export", params={"format": "zip"})).content)
    assert zipfile.ZipFile(io.BytesIO(file.read_bytes())).testzip() is None
    if back == "command":
        ran = await command("import", "author.zip", "--user", reader.username, "--format", "jsonl")
        assert (ran.code, [each["files_left_out"] for each in ran.objects]) == (0, [0])
    else:
        assert (await imported(reader, file.read_bytes()))["imported"] == 1
    assert await files_of(author) == [("cup.png", png(30, 20, shade=9)), ("numbers.txt", TEXT)]
    assert await files_of(reader) == await files_of(author)
    assert await own_names(reader) == await own_names(author) == ["numbers.txt", "cup.png"]
    assert without_file_ids(await history(reader)) == without_file_ids(await history(author))


async def test_a_zip_is_on_record_and_not_for_a_terminal(service: RunningService, command: Command) -> None:
    author = await service.person()
    await with_files(author)
    shown = await command.on_terminal("export", "--user", author.username, "--format", "zip")
    assert (shown.code, "not for a terminal" in without_styles(shown.out)) == (2, True)
    assert (await command.in_shell(f"chatkeep export --user {author.username} --format zip > a.zip")).code == 0
    log = (await author.client.get("/api/v1/auth/me/access-log")).json()["items"]
    assert [each["action"] for each in log] == ["history_exported"]


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


async def test_files_that_come_later_are_counted(service: RunningService, command: Command, tmp_path: Path) -> None:
    person, _ = await service.person(), await service.person("grace")
    file = await add(person, png(shade=61), "cup.png")
    await person.say(await person.conversation(), "Which?", items=[{"type": "image", "file_id": file["id"]}])
    for name, file_format in (("history.jsonl", "jsonl"), ("history.zip", "zip")):
        answer = await person.client.get("/api/v1/export", params={"format": file_format})
        (tmp_path / name).write_bytes(answer.content)
    await command("import", "history.jsonl", "--user", "grace")
    later = await command("import", "history.zip", "--user", "grace")
    assert later.lines[0].split()[:1] + later.lines[0].split()[2:] == ["skipped", "1", "file", "added"]
    again = await command("import", "history.zip", "--user", "grace", "--format", "jsonl")
    assert [each["files_added"] for each in again.objects] == [0]
