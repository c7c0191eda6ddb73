"""Files in whichever form they come: packed, in a ZIP in a ZIP, as lines, several at once, and this service's own."""

import gzip
import io
import json
import zipfile
from typing import Any

import pytest

from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService
from tests.transfer.formats import examples
from tests.transfer.upload_client import IMPORT, history, imported, only, said, send

ONE = [("question 1.1", "answer 1.1")]
TWO = [*ONE, ("question 1.2", "answer 1.2")]


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def zip_of(entries: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content if isinstance(content, (bytes, str)) else json.dumps(content))
    return out.getvalue()


def lines(values: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, values)).encode()


async def test_a_file_packed_with_gzip_is_read(person: Person) -> None:
    packed = gzip.compress(json.dumps([examples.claude(1, 1)]).encode())
    assert said(await only(person, packed)) == ONE
    # As `cat a.gz b.gz` makes it.
    both = gzip.compress(lines([examples.claude(2, 1)]) + b"\n") + gzip.compress(lines([examples.claude(3, 1)]))
    assert (await imported(person, both))["imported"] == 2


async def test_a_file_packed_with_gzip_that_is_cut_keeps_what_came_before(person: Person) -> None:
    packed = gzip.compress(lines([examples.claude(number, 3) for number in range(200)]))
    report = await imported(person, packed[:-200])
    assert report["imported"] > 0
    assert len(report["failed"]) >= 1


async def test_a_small_file_that_unpacks_to_very_much_is_read_no_further(person: Person) -> None:
    bomb = gzip.compress(json.dumps([examples.claude(1, 1), " " * 50_000_000]).encode())
    report = await imported(person, bomb)
    assert report["imported"] == 1
    assert "unpacks to more than" in report["failed"][0]["reason"]


async def test_a_zip_in_a_zip_is_read_and_one_further_in_is_not(person: Person) -> None:
    inner = zip_of({"conversations.json": [examples.chatgpt(1, 1)]})
    outer = zip_of({"Reports/about.txt": "x", "Conversations__1.zip": inner, "Pictures.zip": zip_of({"a.png": b"x"})})
    report = await imported(person, outer)
    assert report["imported"] == 1
    assert [each["source_id"] for each in report["failed"]] == ["Pictures.zip"]
    deep = zip_of({"a.zip": zip_of({"b.zip": inner})})
    assert code_of(await send(person, deep), 422) == "unknown_import_format"


@pytest.mark.parametrize("name", ["chats/one.json", "two.jsonl", "export/three.conversation.json"])
async def test_a_zip_of_any_files_of_conversations_is_read(person: Person, name: str) -> None:
    file = zip_of({name: examples.llamacpp(1, 1), "__MACOSX/._one.json": b"\x00\x05", "settings.json": {"theme": 1}})
    assert said(await only(person, file)) == ONE


async def test_ratings_beside_chatgpts_conversations_are_those_of_the_turns(person: Person) -> None:
    feedback = [
        {"conversation_id": "c1", "message_id": "a1-1", "rating": "thumbs_down", "content": '{"text": "too short"}'},
        {"conversation_id": "c1", "message_id": "nowhere", "rating": "thumbs_up"},
        "?",
    ]
    file = zip_of({"conversations.json": [examples.chatgpt(1, 2)], "message_feedback.json": feedback})
    kept = await only(person, file)
    assert [turn["feedback"] and turn["feedback"]["rating"] for turn in kept["turns"]] == [-1, None]
    assert kept["turns"][0]["feedback"]["comment"] == "too short"


async def test_a_conversation_in_lines_of_messages_is_one(person: Person) -> None:
    whole = examples.llamacpp(1, 2)
    header = {"type": "session", "harness": "app", **whole["conv"]}
    messages = [{"type": "message", "message": each} for each in whole["messages"]]
    other = examples.llamacpp(2, 1)
    second = [
        {"type": "session", **other["conv"]},
        *({"type": "message", "message": each} for each in other["messages"]),
    ]
    report = await imported(person, lines([header, *messages, *second]))
    assert report["imported"] == 2
    assert {each["title"] for each in report["conversations"]} == {"Title 1", "Title 2"}
    assert TWO in [said(each) for each in await history(person)]


async def test_messages_of_several_conversations_are_told_apart_by_their_ids(person: Person) -> None:
    one, two = examples.jan(1, 1)["messages"], examples.jan(2, 1)["messages"]
    report = await imported(person, lines([one[0], two[0], one[1], two[1]]))
    assert report["imported"] == 2
    assert ONE in [said(each) for each in await history(person)]


async def test_events_of_claude_code_are_a_conversation(person: Person) -> None:
    events = [
        {"type": "summary", "summary": "Counting", "leafUuid": "x"},
        {"type": "user", "uuid": "1", "parentUuid": None, "message": {"role": "user", "content": "count"}},
        {
            "type": "assistant",
            "uuid": "2",
            "parentUuid": "1",
            "message": {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        },
        {
            "type": "user",
            "uuid": "3",
            "parentUuid": "2",
            "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "7"}]},
        },
        {
            "type": "assistant",
            "uuid": "4",
            "parentUuid": "3",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Seven."}]},
        },
    ]
    kept = await only(person, lines(events))
    assert (kept["title"], said(kept)) == ("Counting", [("count", "Seven.")])
    kinds = [item["type"] for item in kept["turns"][0]["reply"]["items"]]
    assert kinds == ["function_call", "function_call_output", "message"]


async def test_a_list_of_messages_is_a_conversation_and_each_line_of_lists_another(person: Person) -> None:
    messages = [[{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}] for n in (1, 2)]
    assert (await imported(person, lines(messages)))["imported"] == 2
    assert sorted(said(each) for each in await history(person)) == [[("q1", "a1")], [("q2", "a2")]]
    report = await imported(person, [[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], messages[0]])
    assert (report["imported"], report["skipped"]) == (1, 1)


async def test_backups_of_several_conversations_are_taken_apart(person: Person) -> None:
    topics = [{"id": f"c{number}", "title": f"Topic {number}"} for number in (1, 2)]
    messages = [message for number in (1, 2) for message in examples.lobechat(number, 1)["messages"]]
    backups = [
        {"state": {"sessions": [], "topics": topics, "messages": messages}, "version": 7},
        {"data": {"chats": [examples.typingmind(number, 1) for number in (1, 2)]}, "checksum": 1},
        {"chat-next-web-store": {"sessions": [examples.nextchat(number, 1) for number in (1, 2)]}},
        {"conversations": [examples.grok(number, 1) for number in (1, 2)]},
        {"success": True, "data": [examples.open_webui(number, 1) for number in (1, 2)]},
        {
            "chat-sessions-list": [{"id": "c1"}],
            "session:c1": examples.chatbox(1, 1),
            "session:c2": examples.chatbox(2, 1),
        },
    ]
    for backup in backups:
        report = await imported(person, backup)
        assert (report["imported"], report["failed"]) == (2, []), backup
    titles = {each["title"] for each in await history(person)}
    assert {"Topic 1", "Topic 2", "Title 1", "Title 2"} <= titles


async def test_only_the_bad_one_of_a_backup_fails(person: Person) -> None:
    chats = [examples.typingmind(1, 1), {"chatID": "x", "messages": "none"}, None, examples.typingmind(2, 1)]
    report = await imported(person, {"data": {"chats": chats}})
    assert report["imported"] == 2
    assert [each["source_id"] for each in report["failed"]] == ["#1.2", "#1.3"]


async def test_lines_of_a_conversation_of_this_service_come_back(service: RunningService, person: Person) -> None:
    conversation = await person.conversation()
    await person.say(conversation, "Hello")
    await person.say(conversation, "Again")
    file = (await person.client.get(f"/api/v1/conversations/{conversation}/export?format=jsonl")).content
    assert (await imported(person, file))["skipped"] == 1
    other = await service.person()
    kept = await only(other, file)
    assert [turn["prompt"]["content"] for turn in kept["turns"]] == ["Hello", "Again"]


async def test_files_of_several_users_say_whose_they_are(person: Person) -> None:
    """The lines of an administrator's export, newest first, as it writes them."""
    turns = []
    for name, conversation in (("ann", "1"), ("ben", "2")):
        first, second = (f"0198c0de-0000-7000-800{conversation}-00000000000{turn}" for turn in (1, 2))
        shared = {
            "conversation_id": f"0198c0de-0000-7000-8000-00000000000{conversation}",
            "status": "complete",
            "reply": {"content": "yes"},
            "siblings": {"count": 1, "position": 1},
            "created_at": "2026-01-05T08:00:00Z",
            "username": name,
            "conversation_title": f"Of {name}",
        }
        turns.append({**shared, "id": first, "parent_id": None, "prompt": {"content": f"{name} first"}})
        turns.append({**shared, "id": second, "parent_id": first, "prompt": {"content": f"{name} second"}})
    report = await imported(person, lines([turns[3], turns[1], turns[2], turns[0]]))
    assert report["imported"] == 2
    assert sorted(each["owner"] for each in report["owners"]) == ["ann", "ben"]
    found = {each["title"]: said(each) for each in await history(person)}
    assert found["Of ann"] == [("ann first", "yes"), ("ann second", "yes")]


async def test_a_file_of_several_people_is_refused_where_that_is_asked_for(person: Person) -> None:
    chats = [examples.open_webui(number, 1) | {"user_id": name} for number, name in ((1, "ann"), (2, "ben"))]
    answer = await send(person, chats, params={"several_owners": "refuse"})
    assert code_of(answer, 409) == "several_owners"
    assert "ann (1), ben (1)" in answer.json()["detail"]
    assert await history(person) == []
    report = (await send(person, chats, params={"several_owners": "refuse", "owner": "ben"})).json()
    assert (report["imported"], report["skipped"]) == (1, 1)
    assert (await send(person, chats[:1], params={"several_owners": "refuse"})).json()["imported"] == 1


async def test_several_files_in_a_form_are_one_import(person: Person) -> None:
    letter = ("file", ("b.txt", b"Dear all"))
    one = ("file", ("a.json", json.dumps([examples.claude(1, 1)]).encode()))
    other = ("file", ("c.zip", zip_of({"conversations.json": [examples.chatgpt(2, 1)]})))
    answer = await person.client.post(IMPORT, files=[one, letter, other])
    report = answer.json()
    assert (answer.status_code, report["imported"]) == (200, 2), report
    assert {each["source_id"].partition("#")[0] for each in report["failed"]} == {"b.txt"}
    assert code_of(await person.client.post(IMPORT, files=[letter, letter]), 422) == "unknown_import_format"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"SQLite format 3\x00 and more", "SQLite"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"Conversation,Time,Author,Message\n", "Microsoft Copilot"),
        (
            b'{"user_name": "a", "character_name": "b"}\n{"name": "a", "is_user": true, "mes": "hi"}',
            "SillyTavern",
        ),
        (
            b'{"name": "x", "type": "personal_chat", "messages": [{"id": 1, "from_id": "u", "date_unixtime": "1"}]}',
            "Telegram",
        ),
        (b'{"guild": {}, "channel": {}, "messages": []}', "Discord"),
        (b"%PDF-1.7", "PDF"),
    ],
)
async def test_a_file_of_a_program_that_is_not_read_is_refused_by_name(person: Person, file: bytes, words: str) -> None:
    answer = await send(person, file)
    assert code_of(answer, 422) == "unknown_import_format"
    assert words in answer.json()["detail"]
    assert await history(person) == []


async def test_a_refusal_says_which_programs_are_read(person: Person) -> None:
    detail = (await send(person, b"Dear all")).json()["detail"]
    assert all(name in detail for name in ("ChatGPT", "Claude.ai", "LibreChat", "Open WebUI", "Chatkeep"))
