"""Files into accounts: once, whole, and no further than they may go."""

import asyncio
import io
import json
import re
import struct
import zipfile
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.ids import earliest_id, id_at, latest_id
from chatkeep.transfer import batch_keeper, batch_reader, import_queries, importer
from chatkeep.transfer.archive import NamedFile
from chatkeep.transfer.formats import detection
from chatkeep.transfer.importer import import_files
from tests.accounts.client import value
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService, running
from tests.transfer.formats.test_chatgpt import BRANCHED, numbered, zipped
from tests.transfer.upload_client import IMPORT, history, imported, only, said, send

PROMPT = {
    "system": None,
    "requester": "user",
    "responder": "assistant",
    "chat_contents": [
        {"role": "user", "role_type": "REQUESTER", "message": "Hello"},
        {"role": "assistant", "role_type": "RESPONDER", "message": "Hi"},
    ],
}
COUNTS = "SELECT conversation_count || ' ' || turn_count FROM user_activity WHERE user_id = :id"


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def counts(service: RunningService, person: Person) -> str:
    return str(await value(service.database, COUNTS, id=UUID(person.id)))


async def test_twice_is_once(service: RunningService, person: Person) -> None:
    file = numbered(1, 2, 3)
    assert (await imported(person, file))["imported"] == 3
    report = await imported(person, [*file, *numbered(4)])
    assert (report["imported"], report["skipped"], report["failed"]) == (1, 3, [])
    assert await counts(service, person) == "4 16"
    other = await service.person()
    assert (await imported(other, file))["imported"] == 3


async def test_what_has_not_grown_is_told_without_a_look_at_each(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = numbered(*range(30))
    assert (await imported(person, file))["imported"] == 30

    async def broken(*_: object) -> None:
        raise RuntimeError("each by itself")

    monkeypatch.setattr(batch_keeper, "continue_conversation", broken)
    report = await imported(person, [*file, *numbered(30)])
    assert (report["imported"], report["skipped"], report["failed"]) == (1, 30, [])
    # Twice in a batch, the second may have what the first has not.
    report = await imported(person, [*numbered(1, 1), *numbered(2)])
    assert (report["skipped"], len(report["failed"])) == (1, 2)
    assert await counts(service, person) == "31 124"


async def test_twice_in_one_file_is_once(person: Person) -> None:
    report = await imported(person, numbered(1, 1))
    assert (report["imported"], report["skipped"]) == (1, 1)


async def test_at_once_is_once(service: RunningService, person: Person) -> None:
    file = numbered(*range(20))
    reports = await asyncio.gather(*(imported(person, file) for _ in range(3)))
    assert sum(report["imported"] for report in reports) == 20
    assert sum(report["skipped"] for report in reports) == 40
    assert len(await history(person)) == 20
    assert await counts(service, person) == "20 80"


async def test_what_was_deleted_can_be_imported_again(service: RunningService, person: Person) -> None:
    kept = await only(person, [BRANCHED])
    assert (await person.client.delete(f"/api/v1/conversations/{kept['id']}")).status_code == 204
    again = await only(person, [BRANCHED])
    assert again["id"] != kept["id"]
    assert await counts(service, person) == "1 4"


async def test_an_account_takes_its_own_conversations_with_it(service: RunningService, person: Person) -> None:
    await imported(person, numbered(1, 2))
    body = {"password": "tests have long passwords"}
    assert (await person.client.request("DELETE", "/api/v1/auth/me", json=body)).status_code == 204
    left = "SELECT count(*) FROM imported_conversations WHERE user_id = :id"
    assert await value(service.database, left, id=UUID(person.id)) == 0


async def test_ones_own_export_of_what_is_there_adds_nothing(person: Person) -> None:
    await person.say(await person.conversation(), "Hello")
    file = (await person.client.get("/api/v1/export")).content
    report = await imported(person, file)
    assert (report["imported"], report["skipped"]) == (0, 1)


async def test_what_was_imported_is_found(service: RunningService, person: Person) -> None:
    kept = await only(person, [BRANCHED])
    found = (await person.client.get("/api/v1/search", params={"q": '"second answer"'})).json()["items"]
    assert [(each["conversation_id"], each["created_at"]) for each in found] == [
        (kept["id"], "2023-11-14T22:14:10.250000Z")
    ]


async def test_ids_in_a_file_are_never_taken_over(service: RunningService, person: Person) -> None:
    """A file that names another's conversation must not be in its way when an administrator opens it by its id."""
    other = await service.person()
    await other.say(await other.conversation(), "mine")
    kept = await only(person, (await other.client.get("/api/v1/export")).content)
    (theirs,) = await history(other)
    assert kept["id"] != theirs["id"]
    assert {turn["id"] for turn in kept["turns"]}.isdisjoint(turn["id"] for turn in theirs["turns"])


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "after", ["insert_conversations", "insert_sources", "insert_turns", "await_lexemes", "count_conversations"]
)
async def test_a_crash_leaves_whole_conversations_and_the_next_try_the_rest(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch, after: str, batch: int
) -> None:
    """The second batch's transaction is broken off after each of its steps."""
    monkeypatch.setattr(batch_reader, "CONVERSATIONS_PER_BATCH", batch)
    step, calls = getattr(import_queries, after), 0

    async def broken(connection: AsyncConnection, *arguments: Any) -> Any:
        nonlocal calls
        done = await step(connection, *arguments)
        calls += 1
        if calls == 2:
            raise ConnectionError("killed")
        return done

    monkeypatch.setattr(import_queries, after, broken)
    assert code_of(await send(person, numbered(1, 2, 3)), 503) == "database_unavailable"
    assert [len(each["turns"]) for each in await history(person)] == [4] * batch
    assert await counts(service, person) == f"{batch} {4 * batch}"
    monkeypatch.undo()
    report = await imported(person, numbered(1, 2, 3))
    assert (report["imported"], report["skipped"]) == (3 - batch, batch)
    assert await counts(service, person) == "3 12"


async def test_many_small_conversations_are_kept_in_few_transactions(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte holds thousands of them: a transaction for each took 40 s of processor time."""
    transaction, opened = Database.transaction, 0

    def counted(database: Database) -> Any:
        nonlocal opened
        opened += 1
        return transaction(database)

    monkeypatch.setattr(Database, "transaction", counted)
    report = await imported(person, numbered(*range(40)))
    assert report["imported"] == 40
    assert opened < 20


async def test_a_batch_of_which_one_is_imported_at_this_moment_is_kept_one_by_one(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else was quicker after the look at what is there already."""
    await imported(person, numbered(2))

    async def nothing(*_: Any) -> dict[tuple[str, str], UUID]:
        return {}

    monkeypatch.setattr(import_queries, "known_sources", nothing)
    report = await imported(person, numbered(1, 2, 3))
    assert (report["imported"], report["skipped"]) == (2, 1)
    assert await counts(service, person) == "3 12"


async def test_a_form_is_taken_too(person: Person) -> None:
    answer = await person.client.post(IMPORT, files={"file": ("x.zip", zipped(conversations_json=numbered(1)))})
    assert answer.status_code == 200, answer.text
    assert answer.json()["imported"] == 1
    empty = await person.client.post(IMPORT, files={"other": (None, "x")})
    assert code_of(empty, 422) == "unknown_import_format"


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"hello",
        b"\x00\x01\x02\xff",
        b'{"hello": 1}',
        b"[1, 2]",
        b'"text"',
        b"PK\x03\x04 and no more",
        zipped(other_txt=[]),
    ],
)
async def test_what_no_format_fits_is_refused_and_changes_nothing(person: Person, file: bytes) -> None:
    assert code_of(await send(person, file), 422) == "unknown_import_format"
    assert await history(person) == []


async def test_an_empty_list_is_nothing_to_import(person: Person) -> None:
    nothing = {"imported": 0, "continued": 0, "turns_added": 0, "skipped": 0, "files_added": 0}
    assert await imported(person, []) == nothing | {"failed": [], "conversations": [], "left_out": [], "owners": []}


async def test_a_conversation_of_which_no_message_can_be_read_has_failed(person: Person) -> None:
    nothing = {"id": "nothing", "title": "Nothing", "mapping": {}}
    report = await imported(person, [*numbered(1), nothing, *numbered(2)])
    assert (report["imported"], report["skipped"]) == (2, 0)
    assert report["failed"] == [{"source_id": "nothing", "reason": "No message of it could be read."}]


async def test_a_conversation_without_an_id_has_failed_by_its_place(person: Person) -> None:
    nothing = {"messages": [{"role": "wizard", "content": 5}]}
    report = await imported(person, [*numbered(1), nothing])
    assert report["failed"] == [{"source_id": "#2", "reason": "No message of it could be read."}]


async def test_what_is_broken_is_told_and_the_rest_kept(person: Person) -> None:
    good = [json.dumps(each).encode() for each in numbered(1, 2, 3)]
    broken = b'{"mapping": {"a": {"message": nonsense "]" }}}'
    strange = b'{"hello": "there"}'
    file = b"[" + b",".join([good[0], broken, good[1], strange, b"7", good[2][:-100]])
    report = await imported(person, file)
    assert (report["imported"], report["skipped"]) == (2, 0)
    assert report["failed"] == [
        {"source_id": "#2", "reason": "It is not valid JSON."},
        {"source_id": "#4", "reason": "This is not a conversation of a known format."},
        {"source_id": "#5", "reason": "This is not a conversation of a known format."},
        # Once, although its list has no end either.
        {"source_id": "#6", "reason": "The file ends in the middle of it."},
    ]


async def test_text_that_cannot_be_kept_is_replaced(person: Person) -> None:
    lone = (
        b'{"chat_contents": [{"role": "u", "message": "a\\u0000b\\ud800\\u0041 \\ud83d\\ude00 \xff", "x": "\\udc00"}]'
    )
    file = lone + b', "system": null, "requester": "u", "responder": "a", "note\\u0000": {"deep": ["\\u0000"]}}'
    kept = await only(person, file)
    assert said(kept) == [("a\ufffdb\ufffdA 😀 \ufffd", None)]
    assert kept["metadata"]["import"]["conversation"]["note\ufffd"] == {"deep": ["\ufffd"]}


async def test_numbers_that_no_database_keeps_are_texts(person: Person) -> None:
    file = json.dumps(PROMPT)[:-1] + ', "huge": 1e999, "long": ' + "9" * 500 + ', "none": NaN}'
    kept = await only(person, file.encode())
    assert kept["metadata"]["import"]["conversation"]["huge"] == "1e999"
    assert kept["metadata"]["import"]["conversation"]["long"] == "9" * 500


async def test_nesting_without_end_fails_alone(person: Person) -> None:
    deep = json.dumps(PROMPT)[:-1] + ', "deep": ' + "[" * 300 + "1" + "]" * 300 + "}"
    deeper = json.dumps(PROMPT)[:-1] + ', "deep": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"
    report = await imported(person, "\n".join([json.dumps(PROMPT), deep, deeper, json.dumps(BRANCHED)]).encode())
    assert report["imported"] == 2
    assert [each["reason"] for each in report["failed"]] == ["It is nested too deep."] * 2


async def test_what_goes_to_the_model_is_what_the_api_takes(person: Person) -> None:
    """A file must not have the service send fields of its own choice to the model's server."""
    await person.say(await person.conversation(), "Hello")
    (own,) = await history(person)
    report = await imported(person, own | {"id": "0198c0de-0000-7000-8000-000000000009", "params": {"api_key": "x"}})
    (failed,) = report["failed"]
    assert failed["source_id"] == "0198c0de-0000-7000-8000-000000000009"
    assert failed["reason"].startswith("params.api_key: ")


async def test_a_file_may_be_larger_than_a_body_and_not_larger_than_files_may_be(database_url: str) -> None:
    async with running(database_url, max_body_bytes=20_000, max_import_bytes=100_000) as service:
        person = await service.person()
        file = json.dumps(numbered(*range(30))).encode()
        assert 20_000 < len(file) < 100_000
        assert (await imported(person, file))["imported"] == 30
        too_large = file + b" " * 100_000

        async def chunks() -> Any:
            yield too_large

        for content in (too_large, chunks()):
            assert code_of(await person.client.post(IMPORT, content=content), 413) == "body_too_large"
        form = await person.client.post(IMPORT, files={"file": ("x", too_large)})
        assert code_of(form, 413) == "body_too_large"
        # The other addresses keep their own limit.
        assert code_of(await person.client.post("/api/v1/conversations", content=file), 413) == "body_too_large"


async def test_a_zip_that_unpacks_to_more_than_it_may_is_read_no_further(database_url: str) -> None:
    async with running(database_url, max_import_bytes=3_000_000) as service:
        person = await service.person()
        # Large enough for its size to allow more than the limit.
        second = [token_hex(60_000) + "x" * 50_000_000]
        bomb = zipped(conversations_000_json=numbered(1), conversations_001_json=second)
        assert len(bomb) < 200_000
        report = await imported(person, bomb)
        assert report["imported"] == 1
        assert [each["source_id"] for each in report["failed"]] == ["conversations-001.json"]
        assert "unpacks to more than 3000000 bytes" in report["failed"][0]["reason"]


async def test_names_in_a_zip_are_no_paths(person: Person, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"../../..{tmp_path}/conversations.json", json.dumps(numbered(1)))
    assert (await imported(person, out.getvalue()))["imported"] == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_zip_that_says_it_lists_very_much_is_refused_unread(person: Person) -> None:
    file = bytearray(zipped(conversations_json=numbered(1)))
    end = file.rfind(b"PK\x05\x06")
    struct.pack_into("<L", file, end + 12, 2**31)
    answer = await send(person, bytes(file))
    assert code_of(answer, 422) == "unknown_import_format"
    assert "too many files" in answer.json()["detail"]


async def test_a_damaged_or_encrypted_part_is_told(person: Person) -> None:
    file = bytearray(zipped(conversations_000_json=numbered(1), conversations_001_json=numbered(*range(2, 40))))
    second = file.find(b"conversations-001.json") + len("conversations-001.json")
    file[second + 20 : second + 40] = b"\xff" * 20
    report = await imported(person, bytes(file))
    assert report["imported"] == 1
    assert report["failed"][-1]["source_id"] == "conversations-001.json"


async def test_a_file_of_failures_is_not_read_to_its_end(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MAX_FAILURES", 100)
    report = await imported(person, [BRANCHED, *([1] * 500)])
    assert 100 <= len(report["failed"]) <= 100 + batch_reader.CONVERSATIONS_PER_BATCH
    assert report["failed"][-1]["source_id"] == "(the rest)"


async def test_the_import_of_a_deleted_account_ends(service: RunningService, person: Person) -> None:
    body = {"password": "tests have long passwords"}
    await person.client.request("DELETE", "/api/v1/auth/me", json=body)
    file = io.BytesIO(json.dumps(numbered(1)).encode())
    with pytest.raises(Exception, match="account has just been deleted"):
        _ = [
            each
            async for each in import_files(
                service.database,
                UUID(person.id),
                [NamedFile(file)],
                audit=service.audit,
                clock=utc_now,
                max_bytes=10**9,
                store=service.chat.files,
            )
        ]


async def test_nothing_of_a_file_stays_on_disk(person: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await imported(person, numbered(1))
    await person.client.post(IMPORT, files={"file": ("x", b"x" * 3_000_000)})
    assert list(tmp_path.iterdir()) == []


def test_ids_are_of_their_time() -> None:
    now = utc_now()
    made = [id_at(now, counter, 2**62 - 1 - counter) for counter in (0, 1, 4095)]
    assert made == sorted(made)
    assert all(earliest_id(now) <= each <= latest_id(now) for each in made)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-.*", str(each)) for each in made)


async def test_a_conversation_that_no_code_foresaw_fails_alone(
    person: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files of other programs are documented nowhere."""
    read = detection.read_conversation

    def stumble(parsed: Any, known: Any) -> Any:
        if parsed["id"] == "c2":
            raise KeyError("what was said")
        return read(parsed, known)

    monkeypatch.setattr(batch_reader, "read_conversation", stumble)
    report = await imported(person, numbered(1, 2, 3))
    assert report["imported"] == 2
    assert [each["source_id"] for each in report["failed"]] == ["#2"]
    (line,) = [each for each in caplog.messages if "conversation_not_understood" in each]
    assert "KeyError" in line
    assert "stumble:" in line
    assert "what was said" not in caplog.text
