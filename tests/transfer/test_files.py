"""Files in exports and imports: in the ZIP as they were sent, and back again."""

import io
import json
import sys
import zipfile
from contextlib import aclosing
from typing import Any
from uuid import UUID

from chatkeep.ids import new_id
from chatkeep.transfer.account_archive import account_as_zip
from chatkeep.transfer.batch_reader import CHARACTERS_PER_BATCH
from tests.chat.files.pictures import FILES, add, png
from tests.support.running_service import Person, RunningService, running
from tests.transfer.upload_client import history, imported, send, whole


async def with_files(person: Person, *data: bytes) -> tuple[str, list[str]]:
    """Have somebody ask about files; return the conversation and the files' ids."""
    conversation, ids = await person.conversation(title="Tea"), []
    for number, each in enumerate(data):
        ids.append((await add(person, each, f"{number}.png"))["id"])
        await person.say(conversation, f"Which is {number}?", items=[{"type": "file", "file_id": ids[-1]}])
    return conversation, ids


async def zipped(person: Person) -> bytes:
    answer = await person.client.get("/api/v1/export", params={"format": "zip"})
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


async def test_a_zip_has_the_history_and_every_file(service: RunningService) -> None:
    person, text = await service.person(), b"Sencha\n" * 100_000
    _, ids = await with_files(person, png(), text)
    archive = zipfile.ZipFile(io.BytesIO(await zipped(person)))
    assert archive.testzip() is None
    assert {each.filename for each in archive.infolist()} == {
        "history.jsonl",
        f"files/{ids[0]}.png",
        f"files/{ids[1]}.txt",
    }
    assert archive.read(f"files/{ids[0]}.png") == png()
    assert archive.read(f"files/{ids[1]}.txt") == text
    lines = archive.read("history.jsonl").decode().split("\n")[:-1]
    assert [json.loads(line) for line in lines] == await history(person)


async def test_a_piece_of_a_zip_is_held_by_nobody_while_its_client_reads_it(service: RunningService) -> None:
    """A turn may have megabytes, and so may a file."""
    person = await service.person()
    await with_files(person, png(), b"Sencha " * 100_000)
    await person.say(await person.conversation(), "long " * 100_000)
    async with aclosing(account_as_zip(service.chat.files, UUID(person.id))) as pieces:
        sizes = []
        while (piece := await anext(pieces, None)) is not None:
            sizes.append(len(piece))
            assert sys.getrefcount(piece) == 2  # a name here, and the parameter of what counts
            del piece
    assert len(sizes) > 3


async def test_another_account_gets_a_zips_files_with_its_conversations(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    await with_files(person, png(shade=1), b"Sencha")
    report = await imported(other, await zipped(person))
    (made,) = report["conversations"]
    assert (report["imported"], made["files_left_out"]) == (1, 0)
    turns = (await whole(other, made["conversation_id"]))["turns"]
    items = [turn["prompt"]["items"][0] for turn in turns]
    assert [(item["type"], item["name"]) for item in items] == [("image", "0.png"), ("file", "1.png")]
    for item, data in zip(items, (png(shade=1), b"Sencha"), strict=True):
        assert (await other.client.get(f"{FILES}/{item['file_id']}/content")).content == data
        assert (await other.client.delete(f"{FILES}/{item['file_id']}")).status_code == 409
    assert (await imported(other, await zipped(person)))["skipped"] == 1


async def test_without_its_files_an_import_keeps_their_names(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    conversation, (theirs,) = await with_files(person, png(shade=2))
    report = await imported(other, await whole(person, conversation))
    (made,) = report["conversations"]
    assert made["files_left_out"] == 1
    (turn,) = (await whole(other, made["conversation_id"]))["turns"]
    assert turn["prompt"]["items"][0]["name"] == "0.png"
    assert (await other.client.get(f"{FILES}/{theirs}/content")).status_code == 404
    # The model is told that there was one.
    assert (await other.say(made["conversation_id"], "And now?"))["status"] == "complete"


async def test_files_that_come_after_their_history_are_added_to_it(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    await with_files(person, png(shade=5), b"Sencha")
    await imported(other, (await person.client.get("/api/v1/export")).content)
    before = (await history(other))[0]
    await other.say(before["id"], "Which is 0?")  # said here, in the words of a turn that had a file
    report = await imported(other, await zipped(person))
    assert (report["imported"], report["skipped"], report["files_added"], report["left_out"]) == (0, 1, 2, [])
    (after,) = await history(other)
    items = [turn["prompt"]["items"] and turn["prompt"]["items"][0] for turn in after["turns"]]
    assert [item and (item["type"], item["name"]) for item in items] == [("image", "0.png"), ("file", "1.png"), None]
    for item, data in zip(items, (png(shade=5), b"Sencha"), strict=False):
        assert (await other.client.get(f"{FILES}/{item['file_id']}/content")).content == data
        assert (await other.client.delete(f"{FILES}/{item['file_id']}")).status_code == 409
    words = [turn["prompt"]["content"] for turn in after["turns"][:2]]
    assert words == [turn["prompt"]["content"] for turn in before["turns"]]
    again = await imported(other, await zipped(person))
    assert (again["skipped"], again["files_added"]) == (1, 0)
    assert await history(other) == [after]


async def test_a_turn_keeps_the_files_that_it_has_where_a_later_import_has_fewer(service: RunningService) -> None:
    person = await service.person()
    items = [{"type": "image", "file_id": str(new_id()), "name": f"{number}.png"} for number in range(2)]
    first, second, both = (png(shade=6),), (b"\0 no file", png(shade=7)), (png(shade=6), png(shade=7))
    archives = archives_of(items, first, second, both)
    assert (await imported(person, archives[0]))["conversations"][0]["files_left_out"] == 1
    assert (await imported(person, archives[1]))["files_added"] == 0
    (kept,) = (await history(person))[0]["turns"]
    assert [("file_id" in item) for item in kept["prompt"]["items"][:2]] == [True, False]
    assert (await imported(person, archives[2]))["files_added"] == 1
    (kept,) = (await history(person))[0]["turns"]
    assert [("file_id" in item) for item in kept["prompt"]["items"][:2]] == [True, True]


async def test_late_files_are_held_to_the_limits_and_the_report_says_so(database_url: str) -> None:
    async with running(database_url, file_quota_bytes=4096) as service:
        person = await service.person()
        items = [{"type": "image", "file_id": str(new_id()), "name": f"{number}.png"} for number in range(4)]
        none, some = archives_of(items, (), (png(shade=1), png(shade=2), b"\0 no file"))
        await imported(person, none)
        report = await imported(person, some)
        assert report["files_added"] == 1
        assert [each["name"] for each in report["left_out"]] == ["1.png", "2.png"]  # the fourth never came
        assert len((await person.client.get(FILES)).json()["items"]) == 1


async def test_every_conversation_after_one_with_files_is_imported(service: RunningService) -> None:
    """A file that is read piece by piece, beside which another look for a ZIP is taken."""
    person, other = await service.person(), await service.person()
    await with_files(person, png(shade=4))
    for _ in range(16):
        await person.say(await person.conversation(), "long " * 100_000)
    exported = (await person.client.get("/api/v1/export")).content
    assert len(exported) > CHARACTERS_PER_BATCH  # so there is a second batch
    report = await imported(other, exported)
    assert (report["imported"], report["failed"]) == (17, [])
    assert report["conversations"][0]["files_left_out"] == 1


async def test_ones_own_files_are_found_again(service: RunningService) -> None:
    person = await service.person()
    conversation, (kept,) = await with_files(person, png(shade=3))
    exported = await whole(person, conversation)
    assert (await person.client.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
    report = await imported(person, exported)
    assert report["conversations"][0]["files_left_out"] == 0
    await service.chat.files.sweep()
    assert (await person.client.get(f"{FILES}/{kept}/content")).content == png(shade=3)


async def test_files_that_may_not_be_kept_are_left_out_and_the_words_are_not(database_url: str) -> None:
    async with running(database_url, file_quota_bytes=4096) as service:
        person = await service.person()
        items = [{"type": "image", "file_id": str(new_id()), "name": f"{number}.png"} for number in range(4)]
        report = await imported(person, archive_of(items, png(shade=1), png(shade=2), b"\0 no file"))
        assert report["conversations"][0]["files_left_out"] == 3
        assert len((await person.client.get(FILES)).json()["items"]) == 1


async def test_a_damaged_file_costs_neither_the_words_nor_the_other_files(service: RunningService) -> None:
    person = await service.person()
    items = [{"type": "file", "file_id": str(new_id()), "name": f"{number}.txt"} for number in range(2)]
    archive = bytearray(archive_of(items, b"Sencha " * 1000, b"Assam " * 1000, packing=zipfile.ZIP_DEFLATED))
    entry = zipfile.ZipFile(io.BytesIO(archive)).getinfo(f"files/{items[0]['file_id']}.png")
    begins = entry.header_offset + 30 + len(entry.filename)
    archive[begins : begins + entry.compress_size] = (
        b"\xff" * entry.compress_size
    )  # no block of deflate is of that type
    (made,) = (await imported(person, bytes(archive)))["conversations"]
    assert made["files_left_out"] == 1
    (kept,) = (await person.client.get(FILES)).json()["items"]
    assert (await person.client.get(f"{FILES}/{kept['id']}/content")).content == b"Assam " * 1000


async def test_odd_names_and_references_do_no_harm(service: RunningService) -> None:
    person = await service.person()
    items: list[Any] = [
        {"type": "image", "file_id": "../../../etc/passwd", "tokens": "many"},
        {"type": "image", "file_id": "\u202e", "tokens": -5, "name": {"a": 1}},
        {"type": "file", "file_id": 7},
        {"type": "file"},
    ]
    report = await imported(person, archive_of(items))
    (made,) = report["conversations"]
    assert (await person.say(made["conversation_id"], "And now?"))["status"] == "complete"
    assert (await send(person, b"PK\x05\x06" + bytes(18))).status_code == 422


async def test_a_name_in_an_import_keeps_what_can_be_seen(service: RunningService) -> None:
    person = await service.person()
    names = ("tea\u202egnp.exe\x07", "../" + "n" * 5_000)
    items = [{"type": "image", "file_id": str(new_id()), "name": name} for name in (*names, *names)]
    (made,) = (await imported(person, archive_of(items, png(shade=60), png(shade=61))))["conversations"]
    assert made["files_left_out"] == 2
    (turn,) = (await whole(person, made["conversation_id"]))["turns"]
    assert [item["name"] for item in turn["prompt"]["items"][:4]] == ["teagnp.exe", "n" * 200] * 2


def archive_of(items: list[Any], *files: bytes, packing: int = zipfile.ZIP_STORED) -> bytes:
    """Return a ZIP as this service writes it, of one turn with these items, and files for the first of them."""
    return archives_of(items, files, packing=packing)[0]


def archives_of(items: list[Any], *files: tuple[bytes, ...], packing: int = zipfile.ZIP_STORED) -> list[bytes]:
    """Return ZIPs of one conversation with these items, each with other files for the first of them."""
    turn_id = str(new_id())
    turn = {
        "id": turn_id,
        "parent_id": None,
        "status": "complete",
        "prompt": {"content": "Which?", "items": [*items, {"type": "message", "start": 0, "end": 6}]},
        "reply": {"content": "Sencha."},
        "created_at": "2026-01-31T09:30:00Z",
    }
    conversation = {
        "format": "chatkeep/1",
        "id": str(new_id()),
        "head_turn_id": turn_id,
        "created_at": "2026-01-31T09:30:00Z",
        "turns": [turn],
    }
    return [_archive(conversation, items, each, packing) for each in files]


def _archive(conversation: dict[str, Any], items: list[Any], files: tuple[bytes, ...], packing: int) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("history.jsonl", json.dumps(conversation) + "\n")
        for item, data in zip(items, files, strict=False):
            archive.writestr(f"files/{item['file_id']}.png", data, packing)
    return written.getvalue()
