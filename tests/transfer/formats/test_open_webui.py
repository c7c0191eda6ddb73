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
    assert kept_of_a1 == {"id": "a1", "sources": [{"name": "handbook"}], "annotation": {"tags": ["Tone"]}}


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
