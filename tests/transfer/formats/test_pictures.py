"""Pictures in other programs' files: they become files of their turns, and one that cannot costs itself alone."""

import base64
import io
import json
import zipfile
from typing import Any

import pytest

from tests.chat.files.pictures import FILES, SVG, png
from tests.support.running_service import Person, RunningService, running
from tests.transfer.formats.test_chatgpt import conversation, node
from tests.transfer.formats.test_open_webui import chat, message
from tests.transfer.upload_client import history, imported, only, said, whole

SENT, DRAWN, OLD = "file-AbC123", "file_0000000012ab", "file-DeF456"
UUID = "0b1c2d3e-0000-4000-8000-000000000001"


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def pointer(address: str, prompt: str | None = None) -> dict[str, Any]:
    told = {"dalle": {"gen_id": "g", "prompt": prompt}} if prompt is not None else None
    return {"content_type": "image_asset_pointer", "asset_pointer": address, "size_bytes": 10, "metadata": told}


def multimodal(*parts: Any) -> dict[str, Any]:
    return {"content_type": "multimodal_text", "parts": list(parts)}


# A photograph is sent, a picture is drawn as today and another as in 2023.
DRAWING = conversation(
    node(
        "u",
        None,
        "user",
        content=multimodal(pointer(f"file-service://{SENT}"), "What is this?"),
        metadata={"attachments": [{"id": SENT, "name": "my cup.png", "size": 70}, {"id": "file-x", "name": "tea.pdf"}]},
    ),
    node("a", "u", "assistant", "A cup."),
    node("u2", "a", "user", "Draw it, twice"),
    node("t", "u2", "tool", content=multimodal(pointer(f"sediment://{DRAWN}#{DRAWN}#p_0.png", ""))),
    node("t2", "t", "tool", content=multimodal(pointer(f"file-service://{OLD}", "A cup,\nin ink"))),
)
ENTRIES = {
    f"{SENT}-my cup.png": png(8, 8, shade=1),
    f"user-AbCdEf/{DRAWN}-{UUID}.png": png(8, 8, shade=2),
    f"dalle-generations/{OLD}-{UUID}.webp": png(8, 8, shade=3),
}


def exported(entries: dict[str, bytes], *conversations: dict[str, Any]) -> bytes:
    """Return a ZIP as ChatGPT sends it."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("conversations.json", json.dumps(conversations or [DRAWING]))
        for name, data in entries.items():
            archive.writestr(name, data)
    return written.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


async def bytes_of(person: Person, item: dict[str, Any]) -> bytes:
    answer = await person.client.get(f"{FILES}/{item['file_id']}/content")
    assert answer.status_code == 200
    return answer.content


async def test_pictures_that_were_sent_and_made_are_files_of_their_turns(
    service: RunningService, person: Person
) -> None:
    report = await imported(person, exported(ENTRIES))
    (made,) = report["conversations"]
    assert (made["files_left_out"], report["left_out"]) == (0, [])
    first, second = (await whole(person, made["conversation_id"]))["turns"]
    sent, document, text = first["prompt"]["items"]
    assert (sent["type"], sent["name"], sent["media_type"]) == ("image", "my cup.png", "image/png")
    assert await bytes_of(person, sent) == ENTRIES[f"{SENT}-my cup.png"]
    assert document == {"type": "document", "document": {"id": "file-x", "name": "tea.pdf"}}
    assert text == {"type": "message", "start": 0, "end": 13}
    drawn = [item for item in second["reply"]["items"] if item["type"] == "image"]
    assert [await bytes_of(person, item) for item in drawn] == [png(8, 8, shade=2), png(8, 8, shade=3)]
    assert second["reply"]["content"] == "[Picture]\n\n[Picture: A cup, in ink]"
    assert second["status"] == "complete"
    for item in (sent, *drawn):
        assert (await person.client.delete(f"{FILES}/{item['file_id']}")).status_code == 409
    path = f"/api/v1/conversations/{made['conversation_id']}"
    assert (await person.client.delete(path)).status_code == 204
    await service.chat.files.sweep()
    assert (await person.client.get(FILES)).json()["items"] == []


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
async def test_pictures_in_a_zip_in_a_zip_are_files_too(person: Person, apart: bool) -> None:
    """As OpenAI's privacy portal sends them: with the conversations, or in a ZIP beside theirs."""
    written, inner = io.BytesIO(), {"Conversations__1.zip": exported({} if apart else ENTRIES)}
    if apart:
        pictures = io.BytesIO()
        with zipfile.ZipFile(pictures, "w") as archive:
            for name, data in ENTRIES.items():
                archive.writestr(f"folder/{name}", data)
        inner |= {"Files__1.zip": pictures.getvalue()}
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Damaged.zip", b"PK\x03\x04 no more of it")
        for name, data in inner.items():
            archive.writestr(name, data)
    report = await imported(person, written.getvalue())
    (made,) = report["conversations"]
    assert [each["source_id"] for each in report["failed"]] == ["Damaged.zip"]
    assert (made["files_left_out"], report["left_out"]) == (0, [])
    first, second = (await whole(person, made["conversation_id"]))["turns"]
    found = [item for item in (*first["prompt"]["items"], *second["reply"]["items"]) if item["type"] == "image"]
    assert [await bytes_of(person, item) for item in found] == list(ENTRIES.values())


async def test_the_model_is_sent_them_and_they_come_back_from_this_service_s_own_zip(
    service: RunningService, person: Person
) -> None:
    await imported(person, exported(ENTRIES))
    other = await service.person()
    file = (await person.client.get("/api/v1/export", params={"format": "zip"})).content
    report = await imported(other, file)
    assert (report["imported"], report["left_out"]) == (1, [])
    (theirs,) = await history(other)
    items = [item for turn in theirs["turns"] for side in ("prompt", "reply") for item in turn[side]["items"] or ()]
    found = [await bytes_of(other, item) for item in items if item["type"] == "image"]
    assert found == [png(8, 8, shade=shade) for shade in (1, 2, 3)]
    assert (await other.say(theirs["id"], "And now?"))["status"] == "complete"


async def test_pictures_that_come_after_their_history_are_added_to_it(person: Person) -> None:
    await imported(person, [DRAWING])
    report = await imported(person, exported(ENTRIES))
    assert (report["imported"], report["files_added"], report["left_out"]) == (0, 3, [])
    items = [
        item
        for turn in (await history(person))[0]["turns"]
        for side in ("prompt", "reply")
        for item in turn[side]["items"] or ()
    ]
    found = [await bytes_of(person, item) for item in items if item["type"] == "image"]
    assert found == [png(8, 8, shade=shade) for shade in (1, 2, 3)]
    assert (await imported(person, exported(ENTRIES)))["files_added"] == 0


async def test_without_the_zip_there_is_a_line_in_the_place_of_each(person: Person) -> None:
    report = await imported(person, [DRAWING])
    (made,) = report["conversations"]
    assert made["files_left_out"] == 3
    assert {each["reason"] for each in report["left_out"]} == {"It is not in the file that was imported."}
    first, second = (await whole(person, made["conversation_id"]))["turns"]
    assert [item["type"] for item in first["prompt"]["items"]] == ["image", "document", "message"]
    assert "file_id" not in first["prompt"]["items"][0]
    assert second["reply"]["content"] == "[Picture]\n\n[Picture: A cup, in ink]"
    assert [item["type"] for item in second["reply"]["items"]].count("image") == 0
    assert (await person.say(made["conversation_id"], "And now?"))["status"] == "complete"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (SVG, "no picture that can be shown"),
        (b"%PDF-1.7", "no picture that can be shown"),
        (b"", "empty"),
        (png(400, 400, shade=9)[:-400] + b"x" * 60_000, "larger than"),
        (b"\0\1", "Files of this type"),
    ],
)
async def test_what_is_no_picture_of_ours_costs_itself_and_says_why(
    database_url: str, data: bytes, reason: str
) -> None:
    async with running(database_url, max_file_bytes=50_000) as service:
        person = await service.person()
        report = await imported(person, exported({**ENTRIES, f"{SENT}-my cup.png": data}))
        (left_out,) = report["left_out"]
        assert (left_out["source_id"], left_out["name"]) == ("c-1", "my cup.png")
        assert reason in left_out["reason"]
        assert len((await person.client.get(FILES)).json()["items"]) == 2
        (kept,) = await history(person)
        assert said(kept)[0] == ("What is this?", "A cup.")


async def test_a_damaged_picture_and_a_full_quota_cost_themselves_and_say_why(database_url: str) -> None:
    async with running(database_url, file_quota_bytes=4096) as service:
        person = await service.person()
        archive = bytearray(exported(ENTRIES))
        at = archive.index(ENTRIES[f"{SENT}-my cup.png"])
        archive[at + 20] ^= 1  # the ZIP's checksum finds it
        report = await imported(person, bytes(archive))
        reasons = [each["reason"] for each in report["left_out"]]
        assert len(reasons) == 2
        assert reasons[0].startswith("It is damaged")
        assert reasons[1].startswith("Your files may take 4 KB in all")
        assert report["imported"] == 1


async def test_files_that_unpack_to_far_too_much_end_and_the_words_do_not(service: RunningService) -> None:
    """One bomb under many names."""
    person, bomb = await service.person(), b"Sencha " * 1_400_000
    written, names = io.BytesIO(), [f"file-bomb{number}" for number in range(20)]
    parts = [pointer(f"file-service://{name}") for name in names]
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "conversations.json", json.dumps([conversation(node("u", None, "user", content=multimodal(*parts)))])
        )
        for name in names:
            archive.writestr(f"{name}-a.png", bomb)
    report = await imported(person, written.getvalue())
    assert report["imported"] == 1
    reasons = [each["reason"] for each in report["left_out"]]
    assert len(reasons) == 20
    assert reasons[-1] == "The files of this ZIP unpack to too much; the rest was not read."


async def test_open_webui_s_data_urls_are_files(person: Person) -> None:
    cup, pot, drawn, shown = (png(8, 8, shade=shade) for shade in (11, 12, 13, 14))
    block = {"type": "image_url", "image_url": {"url": data_url(cup)}}
    listed = [
        {"type": "image", "url": data_url(pot), "name": "pot.png"},
        {"type": "file", "url": data_url(b"Sencha", "text/plain"), "name": "tea.txt"},
        {"type": "image", "url": "/api/v1/files/1/content"},
        {"type": "image", "url": "https://example.org/a.png"},
    ]
    made = [{"type": "image", "url": data_url(drawn)}]
    answer = f"Here:\n![a bowl]({data_url(shown)})\nand this:"
    value = chat(
        message("u", None, "user", [{"type": "text", "text": "What?"}, block], files=listed),
        message("a", "u", "assistant", answer, files=made),
    )
    kept = await only(person, value)
    (turn,) = kept["turns"]
    items = turn["prompt"]["items"]
    assert [item["type"] for item in items] == ["image", "image", "file", "document", "document", "message"]
    assert [item["name"] for item in items[1:3]] == ["pot.png", "tea.txt"]
    assert [await bytes_of(person, item) for item in items[:3]] == [cup, pot, b"Sencha"]
    assert turn["reply"]["content"] == "Here:\n\n[Picture: a bowl]\n\nand this:\n\n[Picture]"
    pictures = [item for item in turn["reply"]["items"] if item["type"] == "image"]
    assert [await bytes_of(person, item) for item in pictures] == [shown, drawn]
    assert "base64" not in json.dumps(kept)


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,?", "data:image/svg+xml;base64,PHN2Zz4=", "data:image/png;base64,"]
)
async def test_a_data_url_that_is_no_picture_costs_itself_and_says_why(person: Person, url: str) -> None:
    value = chat(
        message("u", None, "user", "What?", files=[{"type": "image", "url": url, "name": "x"}]),
        message("a", "u", "assistant", "", files=[{"type": "image", "url": data_url(png(shade=15))}]),
    )
    report = await imported(person, value)
    assert [each["name"] for each in report["left_out"]] == ["x"]
    (turn,) = (await whole(person, report["conversations"][0]["conversation_id"]))["turns"]
    assert turn["prompt"]["items"][0] == {"type": "image", "name": "x"}
    assert (turn["reply"]["content"], turn["status"]) == ("[Picture]", "complete")


async def test_somebody_elses_file_in_an_import_is_a_name(service: RunningService, person: Person) -> None:
    other = await service.person()
    await imported(other, exported(ENTRIES))
    (theirs,) = await history(other)
    report = await imported(person, theirs)
    assert {each["reason"] for each in report["left_out"]} == {"It is not in the file that was imported."}
    (mine,) = await history(person)
    items = [item for turn in mine["turns"] for side in ("prompt", "reply") for item in turn[side]["items"] or ()]
    assert not [item for item in items if "file_id" in item]
    assert (await person.client.get(FILES)).json()["items"] == []
