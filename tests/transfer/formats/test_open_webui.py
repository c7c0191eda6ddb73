"""Open WebUI's chats: lists, lines, and one alone."""

import json
from typing import Any

import pytest

from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import imported, only, path, said

BEGUN = 1_750_000_000


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def message(name: str, parent: str | None, role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"id": name, "parentId": parent, "childrenIds": [], "role": role, "content": content} | fields


def chat(*messages: dict[str, Any], **history: Any) -> dict[str, Any]:
    return {
        "title": "Tee",
        "models": ["llama3.2:latest"],
        "history": {"messages": {each["id"]: each for each in messages}, **history},
        "messages": [{"role": "user", "content": "a stale copy"}],
    }


MESSAGES = (
    message("u1", None, "user", "Hallo", timestamp=BEGUN, models=["llama3.2:latest"]),
    message(
        "a1",
        "u1",
        "assistant",
        "Guten Tag",
        timestamp=BEGUN + 1,
        model="llama3.2:latest",
        done=True,
        usage={"prompt_eval_count": 11, "eval_count": 7},
        annotation={"rating": -1, "comment": "kalt", "tags": ["Tone"]},
        sources=[{"name": "handbook"}],
    ),
    message("a2", "u1", "assistant", "Moin", timestamp=(BEGUN + 90) * 1000, model="qwen3", done=False),
    message(
        "u2",
        "a1",
        "user",
        [{"type": "text", "text": "Was ist das?"}, {"type": "image_url", "image_url": {"url": "data:x"}}],
        timestamp=BEGUN + 10,
    ),
    message("a3", "u2", "assistant", "", timestamp=BEGUN + 11, error={"content": "out of memory"}, model="qwen3"),
)


def whole(**fields: Any) -> dict[str, Any]:
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "user_id": "somebody",
        "title": "Tee",
        "created_at": BEGUN,
        "updated_at": BEGUN + 100,
        "archived": True,
        "pinned": True,
        "meta": {"tags": ["getränke"]},
        "chat": chat(*MESSAGES, currentId="a3"),
    } | fields


async def test_a_tree_is_what_the_parents_say(person: Person) -> None:
    kept = await only(person, [whole()])
    assert said(kept) == [("Hallo", "Guten Tag"), ("Was ist das?", ""), ("Hallo", "Moin")]
    assert path(kept) == ["Hallo", "Was ist das?"]
    assert (kept["title"], kept["archived"]) == ("Tee", True)
    assert kept["created_at"] == "2025-06-15T15:06:40.000000Z"
    first, other, failed = kept["turns"]
    assert (first["usage"]["input_tokens"], first["usage"]["output_tokens"]) == (11, 7)
    assert first["feedback"] == {"rating": -1, "comment": "kalt"}
    assert (first["status"], first["model"]) == ("complete", "llama3.2:latest")
    assert (other["status"], other["model"], other["created_at"]) == (
        "interrupted",
        "qwen3",
        "2025-06-15T15:08:10.000000Z",
    )
    assert failed["status"] == "failed"
    assert failed["error"] == {"code": "model_error", "detail": "out of memory"}
    aside = kept["metadata"]["import"]
    assert aside["conversation"] == {
        "user_id": "somebody",
        "pinned": True,
        "meta": {"tags": ["getränke"]},
        "models": ["llama3.2:latest"],
    }
    assert {each["message"]["id"]: each["turn"] for each in aside["messages"]} == {"u1": 0, "a1": 0, "u2": 1}
    kept_of_a1 = next(each["message"] for each in aside["messages"] if each["message"]["id"] == "a1")
    assert kept_of_a1 == {"id": "a1", "annotation": {"tags": ["Tone"]}}
    assert first["reply"]["items"] == [
        {"type": "message", "start": 0, "end": 9},
        {"type": "citation", "citation": {"name": "handbook"}},
    ]


async def test_children_that_contradict_the_parents_are_not_believed(person: Person) -> None:
    children = {"u1": ["a3", "u2"], "a1": [], "a2": 7, "u2": None}
    messages = [each | {"childrenIds": children.get(each["id"], [])} for each in MESSAGES]
    kept = await only(person, [whole(chat=chat(*messages, currentId="a3"))])
    assert said(kept) == [("Hallo", "Guten Tag"), ("Was ist das?", ""), ("Hallo", "Moin")]
    assert path(kept) == ["Hallo", "Was ist das?"]


async def test_without_a_current_message_the_newest_leaf_is_the_head(person: Person) -> None:
    kept = await only(person, [whole(chat=chat(*MESSAGES))])
    head = next(turn for turn in kept["turns"] if turn["id"] == kept["head_turn_id"])
    assert head["reply"]["content"] == "Moin"


async def test_lines_and_a_list_are_the_same_chats(person: Person) -> None:
    chats = [whole(id=f"chat-{number}") for number in range(3)]
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in chats)
    assert (await imported(person, lines))["imported"] == 3
    report = await imported(person, chats)
    assert (report["imported"], report["skipped"]) == (0, 3)


async def test_a_bare_chat_and_one_without_a_tree(person: Person) -> None:
    bare = chat(*MESSAGES, currentId="a2") | {"timestamp": BEGUN * 1000, "params": {"system": "Sei kurz."}}
    kept = await only(person, bare)
    assert path(kept) == ["Hallo"]
    assert kept["system_prompt"] == "Sei kurz."
    assert kept["created_at"] == "2025-06-15T15:06:40.000000Z"
    row = {
        "title": "alt",
        "messages": [
            {"role": "system", "content": "Sei lang."},
            {"role": "user", "content": "Hallo"},
            {"role": "assistant", "content": "Ja"},
        ],
    }
    kept = await only(person, row)
    assert (kept["system_prompt"], said(kept)) == ("Sei lang.", [("Hallo", "Ja")])


async def test_params_that_models_here_take_are_taken(person: Person) -> None:
    params = {"temperature": 0.5, "top_k": 40, "mirostat": 1, "temperature_unit": None, "max_tokens": -5}
    kept = await only(person, whole(chat=chat(*MESSAGES) | {"params": params}))
    assert kept["params"] == {"temperature": 0.5, "top_k": 40}
    assert kept["metadata"]["import"]["conversation"]["params"] == {"mirostat": 1, "max_tokens": -5}


def answer(content: Any, **fields: Any) -> dict[str, Any]:
    return whole(chat=chat(message("u", None, "user", "?"), message("a", "u", "assistant", content, **fields)))


async def reply_of(person: Person, value: object) -> dict[str, Any]:
    (turn,) = (await only(person, value))["turns"]
    reply: dict[str, Any] = turn["reply"] | {"status": turn["status"]}
    return reply


FOLDED = """<details type="reasoning" done="true" duration="4">
<summary>Thought for 4 seconds</summary>
> 91 is 7 &gt; 1
> times 13
</details>
I look it up.
<details type="tool_calls" done="true" id="call_7" name="look" arguments="&quot;{\\&quot;n\\&quot;: 91}&quot;" \
result="&quot;no&quot;" files="">
<summary>Tool Executed</summary>
</details>

<details type="code_interpreter" done="true" output="{&quot;stdout&quot;: &quot;13&quot;}">
<summary>Analyzed</summary>
```python
print(91 // 7)
```
</details>
No, 7 times 13."""
FOLDED_ITEMS = [
    {"type": "reasoning", "text": "91 is 7 > 1\ntimes 13", "seconds": 4, "field": "think"},
    {"type": "message", "start": 0, "end": 13},
    {"type": "function_call", "call_id": "call_7", "name": "look", "arguments": '{"n": 91}'},
    {"type": "function_call_output", "call_id": "call_7", "output": "no"},
    {
        "type": "function_call",
        "call_id": "call_334",
        "name": "code_interpreter",
        "arguments": '{"code": "print(91 // 7)"}',
    },
    {"type": "function_call_output", "call_id": "call_334", "output": {"stdout": "13"}},
    {"type": "message", "start": 13, "end": 30},
]


async def test_what_is_folded_in_the_text_are_items(person: Person) -> None:
    reply = await reply_of(person, answer(FOLDED))
    assert reply["content"] == "I look it up.\n\nNo, 7 times 13."
    assert reply["items"] == FOLDED_ITEMS


@pytest.mark.parametrize(
    "text",
    [
        'It writes\n```\n<details type="reasoning">\nx\n</details>\n```',
        'a <details type="reasoning">x</details>',
        '<details type="reasoning" done="false">\nnot closed',
        "<details><summary>More</summary>x</details>",
    ],
)
async def test_an_answer_about_folds_stays_as_it_is(person: Person, text: str) -> None:
    assert await reply_of(person, answer(text)) == {
        "content": text,
        "refusal": None,
        "items": None,
        "status": "complete",
    }


async def test_thoughts_alone_are_kept(person: Person) -> None:
    reply = await reply_of(person, answer('<details type="reasoning">\n> Hm\n</details>'))
    assert (reply["content"], reply["status"]) == ("", "complete")
    assert [item["text"] for item in reply["items"]] == ["Hm"]


OUTPUT = [
    {"type": "reasoning", "id": "r1", "status": "completed", "duration": 2.25, "content": [{"text": "Hm"}]},
    {"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "no"}]},
    {"type": "message", "content": [{"type": "output_text", "text": "No.", "annotations": [{"url": "x"}]}]},
]


async def test_output_counts_where_it_says_what_the_text_does(person: Person) -> None:
    shown = '<details type="reasoning">\n> Hm\n</details>\nNo.'
    for content in (shown, ""):
        reply = await reply_of(person, answer(content, output=OUTPUT) | {"id": f"chat {len(content)}"})
        assert reply["content"] == "No."
        assert reply["items"] == [
            {"type": "reasoning", "text": "Hm", "seconds": 2.2, "field": "think"},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "no"}]},
            {"type": "message", "start": 0, "end": 3},
            {"type": "citation", "citation": {"url": "x"}},
        ]


@pytest.mark.parametrize("output", [OUTPUT, [*OUTPUT, {"type": "new"}]])
async def test_output_that_says_something_else_is_kept_aside(person: Person, output: list[Any]) -> None:
    value = answer("Edited." if output is OUTPUT else "No.", output=output)
    kept = await only(person, value)
    assert kept["turns"][0]["reply"]["items"] is None
    (aside,) = kept["metadata"]["import"]["messages"]
    assert aside["message"]["output"] == output


async def test_messages_of_chat_completions_are_turns_with_items(person: Person) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bergen"}'}}
    row = {
        "messages": [
            {"role": "developer", "content": "Be a pirate."},
            {"role": "user", "content": "Weather?", "files": [{"name": "map.pdf"}]},
            {"role": "assistant", "content": None, "reasoning_content": "I ask.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "assistant", "content": "Arr, rain!"},
        ]
    }
    kept = await only(person, row)
    assert (kept["system_prompt"], said(kept)) == ("Be a pirate.", [("Weather?", "Arr, rain!")])
    (turn,) = kept["turns"]
    assert turn["prompt"]["items"][0] == {"type": "document", "document": {"name": "map.pdf"}}
    assert turn["reply"]["items"] == [
        {"type": "reasoning", "text": "I ask.", "seconds": None, "field": "reasoning_content"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Bergen"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        {"type": "message", "start": 0, "end": 10},
    ]
    assert "messages" not in kept["metadata"]["import"]


async def test_items_come_back_from_this_service_s_own_export(service: RunningService, person: Person) -> None:
    (author_turn,) = (await only(person, answer(FOLDED)))["turns"]
    file = (await person.client.get("/api/v1/export")).content
    (turn,) = (await only(await service.person(), file))["turns"]
    assert turn["reply"] == author_turn["reply"]
    report = await imported(person, answer(FOLDED))
    assert (report["imported"], report["skipped"]) == (0, 1)


async def test_a_model_with_too_long_a_name_is_kept_aside(person: Person) -> None:
    kept = await only(person, answer("Hi", model="m" * 201))
    assert kept["turns"][0]["model"] is None
    assert kept["metadata"]["import"]["messages"][0]["message"]["model"] == "m" * 201


async def test_phases_of_an_answer_are_its_reasoning_and_its_text(person: Person) -> None:
    phases = [{"phase": "think", "content": "hm"}, {"phase": "answer", "content": "yes"}]
    said_so = message("a1", "u1", "assistant", "", content_list=phases)
    kept = await only(person, {"success": True, "data": [chat(message("u1", None, "user", "Well?"), said_so)]})
    assert said(kept) == [("Well?", "yes")]
    assert kept["turns"][0]["reply"]["items"][0]["text"] == "hm"


async def test_an_answer_that_others_were_merged_into_is_a_sibling(person: Person) -> None:
    merged = {"status": True, "content": "both"}
    one = message("a1", "u1", "assistant", "left", timestamp=BEGUN + 1, merged=merged)
    other = message("a2", "u1", "assistant", "right", timestamp=BEGUN + 2)
    kept = await only(person, chat(message("u1", None, "user", "Which?", timestamp=BEGUN), one, other))
    assert sorted(reply or "" for _, reply in said(kept)) == ["both", "left", "right"]
