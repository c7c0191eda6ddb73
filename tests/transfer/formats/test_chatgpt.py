"""ChatGPT's exports, with everything that has been seen in them."""

import copy
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest

from chatkeep.chat.messages import ChatContent, openai_messages
from chatkeep.transfer.formats.chatgpt import read_chatgpt
from chatkeep.transfer.formats.chatgpt_tools import role_of
from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import history, imported, only, path, said

BEGUN = 1_700_000_000.25


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def node(
    name: str, parent: str | None, role: str | None, *parts: Any, children: tuple[str, ...] = (), **message: Any
) -> dict[str, Any]:
    told = None
    if role is not None:
        told = {
            "id": name,
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": None,
            "content": {"content_type": "text", "parts": list(parts)},
            "status": "finished_successfully",
            "weight": 1,
            "recipient": "all",
            **message,
        }
    return {"id": name, "parent": parent, "children": list(children), "message": told}


def conversation(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": "c-1",
        "conversation_id": "c-1",
        "title": "Tea",
        "create_time": BEGUN,
        "update_time": BEGUN + 100,
        "mapping": {each["id"]: each for each in nodes},
        "current_node": nodes[-1]["id"],
        **fields,
    }


# Written out of order, as they are: a question asked twice, answered twice, and gone on with after the first answer.
BRANCHED = conversation(
    node("a2", "u1", "assistant", "second answer", create_time=BEGUN + 50, metadata={"model_slug": "gpt-4o"}),
    node("root", None, None, children=("sys",)),
    node("sys", "root", "system", "", children=("u1", "u1-edited"), weight=0),
    node("u1", "sys", "user", "first question", children=("a1", "a2"), create_time=BEGUN + 1),
    node("u1-edited", "sys", "user", "first question, edited", children=("a3",), create_time=BEGUN + 60),
    node("a3", "u1-edited", "assistant", "third answer", create_time=BEGUN + 61),
    node("a1", "u1", "assistant", "first answer", children=("u2",), create_time=BEGUN + 2),
    node("u2", "a1", "user", "second question", children=("a4",), create_time=BEGUN + 10),
    node("a4", "u2", "assistant", "an answer", create_time=BEGUN + 11),
    default_model_slug="gpt-4",
)


async def test_a_tree_is_kept_with_its_branches_its_head_and_its_times(person: Person) -> None:
    kept = await only(person, [BRANCHED])
    assert said(kept) == [
        ("first question", "first answer"),
        ("second question", "an answer"),
        ("first question", "second answer"),
        ("first question, edited", "third answer"),
    ]
    assert path(kept) == ["first question", "second question"]
    assert (kept["title"], kept["turn_count"], kept["archived"]) == ("Tea", 4, False)
    assert kept["created_at"] == "2023-11-14T22:13:20.250000Z"
    assert kept["updated_at"] == "2023-11-14T22:15:00.250000Z"
    turns = {turn["reply"]["content"]: turn for turn in kept["turns"]}
    assert turns["first answer"]["created_at"] == "2023-11-14T22:13:21.250000Z"
    assert turns["first answer"]["completed_at"] == "2023-11-14T22:13:22.250000Z"
    assert turns["second answer"]["created_at"] == "2023-11-14T22:14:10.250000Z"
    assert [turns[name]["model"] for name in ("first answer", "second answer")] == ["gpt-4", "gpt-4o"]
    assert [turns[name]["siblings"] for name in ("first answer", "second answer", "third answer")] == [
        {"count": 3, "position": 1},
        {"count": 3, "position": 2},
        {"count": 3, "position": 3},
    ]
    assert {turn["status"] for turn in kept["turns"]} == {"complete"}
    assert kept["metadata"]["import"] == {
        "source": "chatgpt",
        "source_id": "c-1",
        "conversation": {"default_model_slug": "gpt-4"},
    }


async def test_an_imported_turn_is_found_by_its_time(service: RunningService, person: Person) -> None:
    await only(person, [BRANCHED])
    administrator = await service.administrator()
    window = {"user_id": person.id, "from": "2023-11-14T22:13:21.250Z", "to": "2023-11-14T22:14:00Z"}
    found = await administrator.client.get("/api/v1/admin/history", params=window)
    assert [turn["prompt"]["content"] for turn in found.json()["items"]] == ["second question", "first question"]


async def test_an_imported_conversation_goes_on(person: Person) -> None:
    kept = await only(person, [BRANCHED])
    await person.say(kept["id"], "third question")
    turns = await person.turns(kept["id"], order="asc")
    assert [turn["prompt"]["content"] for turn in turns] == ["first question", "second question", "third question"]


async def test_thoughts_calls_and_results_are_items_and_hidden_messages_are_kept_aside(person: Person) -> None:
    call = {"content_type": "code", "language": "python", "text": "print(1)"}
    output = {"content_type": "execution_output", "text": "1"}
    thoughts = [
        {"summary": "Hm", "content": "Let me see", "chunks": ["Let me ", "see"], "finished": True},
        {"summary": "", "content": "One, then.", "source": "x"},
    ]
    recap = {"content_type": "reasoning_recap", "content": "Thought for 12 seconds"}
    instructions = {"content_type": "user_editable_context", "user_profile": "I like tea"}
    value = conversation(
        node("root", None, None),
        node("sys", "root", "system", "You are terse."),
        node("ctx", "sys", "user", content=instructions, metadata={"is_visually_hidden_from_conversation": True}),
        node("u", "ctx", "user", "Count"),
        node("t", "u", "assistant", content={"content_type": "thoughts", "thoughts": thoughts}),
        node("r", "t", "assistant", content=recap, metadata={"finished_duration_sec": 12, "model_slug": "o3"}),
        node("a", "r", "assistant", "Let me count."),
        node("call", "a", "assistant", content=call, recipient="python.run"),
        node("out", "call", "tool", content=output, metadata={"aggregate_result": {"ok": True}}),
        node("b", "out", "assistant", "One.", metadata={"citations": [{"start_ix": 0}], "request_id": "noise"}),
        node("hidden", "b", "assistant", "not for eyes", weight=0),
        node("u2", "hidden", "user", "Thanks"),
    )
    kept = await only(person, [value])
    assert kept["system_prompt"] == "You are terse."
    assert said(kept) == [("Count", "Let me count.\n\nOne."), ("Thanks", None)]
    assert [turn["status"] for turn in kept["turns"]] == ["complete", "stopped"]
    assert kept["turns"][0]["reply"]["items"] == [
        {
            "type": "reasoning",
            "text": "Hm\nLet me see\n\nOne, then.",
            "seconds": 12,
            "field": "think",
            "import": {"id": "t", "content": {"of_thoughts": [{}, {"source": "x"}]}},
        },
        {"type": "message", "start": 0, "end": 13},
        {
            "type": "function_call",
            "call_id": "call",
            "name": "python_run",
            "arguments": '{"input": "print(1)"}',
            "import": {"name": "python.run", "id": "call", "content": {"language": "python"}},
        },
        {
            "type": "function_call_output",
            "call_id": "call",
            "output": "1",
            "import": {"id": "out", "metadata": {"aggregate_result": {"ok": True}}},
        },
        {"type": "message", "start": 13, "end": 19},
        {"type": "citation", "citation": {"start_ix": 0}},
    ]
    aside = kept["metadata"]["import"]["messages"]
    assert [(each["turn"], each["message"]["id"]) for each in aside] == [(None, "ctx"), (0, "r"), (0, "hidden")]
    by_id = {each["message"]["id"]: each["message"] for each in aside}
    assert by_id["ctx"]["content"] == instructions
    assert by_id["r"]["content"] == {"content": "Thought for 12 seconds"}
    assert by_id["hidden"]["content"]["parts"] == ["not for eyes"]


async def test_a_model_server_takes_back_what_tools_did(person: Person) -> None:
    """Some refuse a name with a dot, arguments that are no JSON, or a call without its result."""
    value = conversation(
        node("u", None, "user", "Look"),
        node("c", "u", "assistant", content={"content_type": "code", "text": '{"q": "tea"}'}, recipient="web.run"),
        node("o", "c", "tool", content={"content_type": "tether_browsing_display", "result": "leaves"}),
        node("lone", "o", "assistant", content={"content_type": "code", "text": "x"}, recipient="bio"),
        node("a", "lone", "assistant", "Leaves."),
    )
    (turn,) = (await only(person, [value]))["turns"]
    sent = list(
        openai_messages(None, [ChatContent("responder", turn["reply"]["content"], items=turn["reply"]["items"])])
    )
    assert sent == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "web_run", "arguments": '{"q": "tea"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": '{"result": "leaves"}'},
        {"role": "assistant", "content": "Leaves."},
    ]


async def test_thoughts_without_an_answer_are_kept_and_nobody_stopped_them(person: Person) -> None:
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Hm", "content": "tea?"}]}
    value = conversation(node("u", None, "user", "Well?"), node("t", "u", "assistant", content=thoughts))
    (turn,) = (await only(person, [value]))["turns"]
    assert (turn["status"], turn["reply"]["content"]) == ("complete", "")
    assert [item["text"] for item in turn["reply"]["items"]] == ["Hm\ntea?"]


async def test_each_answer_has_its_own_thoughts(person: Person) -> None:
    def thoughts(words: str) -> dict[str, Any]:
        return {"content_type": "thoughts", "thoughts": [{"content": words}]}

    value = conversation(
        node("u", None, "user", "Well?", children=("t1", "t2")),
        node("t1", "u", "assistant", content=thoughts("first"), create_time=BEGUN + 1),
        node("a1", "t1", "assistant", "one", create_time=BEGUN + 2),
        node("t2", "u", "assistant", content=thoughts("second"), create_time=BEGUN + 3),
        node("a2", "t2", "assistant", "two", create_time=BEGUN + 4),
    )
    kept = await only(person, [value])
    thought = {turn["reply"]["content"]: turn["reply"]["items"][0]["text"] for turn in kept["turns"]}
    assert thought == {"one": "first", "two": "second"}


async def test_marks_of_citations_are_links_and_their_sources_items(person: Person) -> None:
    cite, entity, lone = (
        "\ue200cite\ue202turn0a\ue201",
        '\ue200entity\ue202["book","Tea"]\ue201',
        "\ue200x\ue202y\ue201",
    )
    words = f"By {entity}. {cite} Old【4†source】 and 【note】.{lone}"
    reference = {"matched_text": cite, "type": "webpage", "items": [{"url": "https://tea.example/a", "title": "A"}]}
    old = words.index("【4")
    legacy = {"start_ix": old, "end_ix": old + 10, "metadata": {"url": "https://old.example", "title": "Old"}}
    metadata = {"content_references": [reference], "citations": [legacy]}
    value = conversation(node("u", None, "user", "?"), node("a", "u", "assistant", words, metadata=metadata))
    (turn,) = (await only(person, [value]))["turns"]
    assert turn["reply"]["content"] == (
        "By Tea. ([A](https://tea.example/a)) Old([Old](https://old.example)) and 【note】."
    )
    assert [item["citation"] for item in turn["reply"]["items"][1:]] == [reference, legacy]


async def test_a_canvas_and_a_picture_are_part_of_the_answer(person: Person) -> None:
    canvas = {"name": "my tea", "type": "code/python", "content": "print('```')\n"}
    call = {"content_type": "code", "text": json.dumps(canvas)}
    drawn = {"content_type": "image_asset_pointer", "metadata": {"dalle": {"prompt": "a\ncup"}}}
    value = conversation(
        node("u", None, "user", "Write and draw"),
        node("c", "u", "assistant", content=call, recipient="canmore.create_textdoc"),
        node("p", "c", "tool", content={"content_type": "multimodal_text", "parts": [drawn]}),
    )
    (turn,) = (await only(person, [value]))["turns"]
    assert turn["reply"]["content"] == "**my tea**\n\n````python\nprint('```')\n````\n\n[Picture: a cup]"
    assert turn["status"] == "complete"
    assert [item["type"] for item in turn["reply"]["items"]] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ]
    assert json.loads(turn["reply"]["items"][1]["arguments"]) == {"name": "my tea", "type": "code/python"}


async def test_documents_of_a_prompt_are_its_items(person: Person) -> None:
    attached = {"id": "file-1", "name": "tea.pdf", "mime_type": "application/pdf"}
    value = conversation(
        node("u", None, "user", "Read this", metadata={"attachments": [attached]}), node("a", "u", "assistant", "Done.")
    )
    (turn,) = (await only(person, [value]))["turns"]
    assert turn["prompt"] == {
        "content": "Read this",
        "items": [{"type": "document", "document": attached}, {"type": "message", "start": 0, "end": 9}],
    }


async def test_parts_that_are_no_text_are_kept_aside(person: Person) -> None:
    image = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1", "width": 5}
    speech = {"content_type": "audio_transcription", "text": "and spoken", "direction": "in"}
    content = {"content_type": "multimodal_text", "parts": [image, "What is this?", speech]}
    value = conversation(
        node("u", None, "user", content=content),
        node("a", "u", "assistant", "A cup."),
        node("only-image", "a", "user", content={"content_type": "multimodal_text", "parts": [image]}),
        node("a2", "only-image", "assistant", "Another cup."),
    )
    kept = await only(person, [value])
    assert said(kept) == [("What is this?\nand spoken", "A cup."), ("", "Another cup.")]
    assert [(each["turn"], each["message"]["parts"]) for each in kept["metadata"]["import"]["messages"]] == [
        (0, [image, speech]),
        (1, [image]),
    ]


async def test_what_is_missing_or_null_is_made_good(person: Person) -> None:
    bare = {
        "title": None,
        "mapping": {
            "r": {"id": "r", "children": ["u"]},
            "u": {"parent": "r", "message": {"author": {"role": "user"}, "content": {"parts": ["Wie geht es?"]}}},
            "a": {"parent": "u", "message": {"author": {"role": "assistant"}, "content": {"parts": ["Gut.", None]}}},
            "lost": {"parent": "nowhere", "message": {"author": {"role": "assistant"}, "content": {"parts": ["Hi"]}}},
            "odd": {"parent": "a", "message": {"author": None, "content": "text", "metadata": None, "recipient": 7}},
        },
    }
    kept = await only(person, [bare])
    assert kept["title"] == "Wie geht es?"
    assert sorted(said(kept)) == [("", "Hi"), ("Wie geht es?", "Gut.")]
    assert [
        each["message"]["recipient"]
        for each in kept["metadata"]["import"]["messages"]
        if "recipient" in each["message"]
    ] == [7]
    assert kept["metadata"]["import"]["source_id"].startswith("sha256:")
    report = await imported(person, [bare])
    assert (report["imported"], report["skipped"]) == (0, 1)


async def test_a_time_that_cannot_be_true_is_moved_and_told(person: Person) -> None:
    value = conversation(
        node("u", None, "user", "late", create_time=BEGUN + 500),
        node("a", "u", "assistant", "x", create_time=BEGUN + 501),
        node("v", "a", "user", "before", create_time=BEGUN),
        node("w", "v", "user", "in the future", create_time=BEGUN * 40),
    )
    kept = await only(person, [value])
    assert [prompt for prompt, _ in said(kept)] == ["late", "before", "in the future"]
    times = [turn["created_at"] for turn in kept["turns"]]
    assert times[0] == times[1] == "2023-11-14T22:21:40.250000Z"
    assert times[2] < "2100"
    assert [each["turn"] for each in kept["metadata"]["import"]["times"]] == [1, 2]
    assert kept["metadata"]["import"]["times"][0]["created_at"] == "2023-11-14T22:13:20.250000+00:00"


async def test_consecutive_questions_and_an_answer_that_comes_first(person: Person) -> None:
    value = conversation(
        node("a", None, "assistant", "Welcome."),
        node("u1", "a", "user", "one"),
        node("u2", "u1", "user", "two"),
        node("b", "u2", "assistant", "both", status="in_progress"),
    )
    kept = await only(person, [value])
    assert said(kept) == [("", "Welcome."), ("one", None), ("two", "both")]
    assert [turn["status"] for turn in kept["turns"]] == ["complete", "stopped", "interrupted"]
    assert path(kept) == ["", "one", "two"]


async def test_a_head_in_the_middle_or_nowhere(person: Person) -> None:
    middle = conversation(
        *copy.deepcopy(list(BRANCHED["mapping"].values())), id="m", conversation_id="m", current_node="a1"
    )
    nowhere = conversation(
        *copy.deepcopy(list(BRANCHED["mapping"].values())), id="n", conversation_id="n", current_node="gone"
    )
    assert path(await only(person, [middle])) == ["first question"]
    assert path(await only(person, [nowhere])) == ["first question, edited"]


def zipped(**files: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "-").replace("-json", ".json"), json.dumps(value))
    return out.getvalue()


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [BRANCHED | {"id": f"c{number}", "conversation_id": f"c{number}"} for number in numbers]


async def test_a_zip_of_one_file_and_of_numbered_ones(person: Person) -> None:
    one = zipped(conversations_json=numbered(1, 2), user_json={"email": "x"})
    assert (await imported(person, one))["imported"] == 2
    shards = zipped(
        export_manifest_json={"files": []},
        ChatGPT__conversations_001_json=numbered(4),
        ChatGPT__conversations_000_json=numbered(1, 2, 3),
        shared_conversations_json=[{"id": "x"}],
    )
    report = await imported(person, shards)
    assert (report["imported"], report["skipped"], report["failed"]) == (2, 2, [])
    assert len(await history(person)) == 4


async def test_files_of_one_name_in_several_folders_of_a_zip_are_all_read(person: Person) -> None:
    both = zipped(first__conversations_json=numbered(1), second__conversations_json=numbered(2))
    assert (await imported(person, both))["imported"] == 2


async def test_a_message_without_a_time_has_that_of_the_one_before_it(person: Person) -> None:
    value = conversation(
        node("u", None, "user", "one", create_time=BEGUN + 5),
        node("a", "u", "assistant", "yes", create_time=None),
        node("v", "a", "user", "two", create_time=0),
        node("b", "v", "assistant", "no", create_time=BEGUN + 9),
    )
    first, second = (await only(person, [value]))["turns"]
    assert (first["created_at"], first["completed_at"]) == ("2023-11-14T22:13:25.250000Z", None)
    assert (second["created_at"], second["completed_at"]) == (first["created_at"], "2023-11-14T22:13:29.250000Z")


async def test_messages_that_are_each_others_parents_fail_alone(person: Person) -> None:
    circle = conversation(
        node("u", "a", "user", "x"), node("a", "u", "assistant", "y"), id="bad", conversation_id="bad"
    )
    report = await imported(person, [circle, BRANCHED])
    assert report["imported"] == 1
    assert report["failed"] == [{"source_id": "#1", "reason": "Some of its messages are each other's parents."}]


def test_system_messages_below_each_other_are_passed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def counted(message: Mapping[str, Any]) -> str | None:
        nonlocal asked
        asked += 1
        return role_of(message)

    monkeypatch.setattr("chatkeep.transfer.formats.chatgpt.role_of", counted)
    counts = []
    for many in (200, 400):
        nodes: dict[str, Any] = {}
        for number in range(many):
            author = {"role": "system" if number else "user"}
            message = {"author": author, "content": {"content_type": "text", "parts": ["x"]}}
            nodes[f"{number}"] = {"parent": f"{number - 1}" if number else None, "children": [], "message": message}
        asked = 0
        assert read_chatgpt({"id": "c", "mapping": nodes}).system_prompt is None
        counts.append(asked)
    assert counts[1] < 2.2 * counts[0]
