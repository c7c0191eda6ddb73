"""Turns with their replies as HTML: the same turns as the API's, for their owner alone."""

import asyncio
import threading
from typing import Any

import httpx2
import pytest

from chatkeep.ids import new_id
from chatkeep.prose.markdown import MAX_MARKDOWN_CHARACTERS, render
from tests.support.running_service import Person, RunningService
from tests.web.models import TaughtModel


async def stretch(person: Person, conversation_id: str, **values: Any) -> dict[str, Any]:
    answer = await person.client.get(f"/web/conversations/{conversation_id}/turns", params=values)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def indexes(found: dict[str, Any]) -> list[int]:
    return [turn["index"] for turn in found["items"]]


@pytest.fixture
async def conversation_id(person: Person) -> str:
    conversation_id = await person.conversation()
    for number in range(5):
        await person.say(conversation_id, f"turn {number}")
    return conversation_id


async def test_the_path_is_read_up_from_its_head_or_from_any_turn(person: Person, conversation_id: str) -> None:
    found = await stretch(person, conversation_id, limit=2)
    assert (indexes(found), found["more"]) == ([4, 3], True)
    found = await stretch(person, conversation_id, limit=9, start=found["items"][-1]["parent_id"])
    assert (indexes(found), found["more"]) == ([2, 1, 0], False)


async def test_the_path_is_read_down_from_any_index(person: Person, conversation_id: str) -> None:
    found = await stretch(person, conversation_id, limit=3, first=1)
    assert (indexes(found), found["more"]) == ([1, 2, 3], True)
    found = await stretch(person, conversation_id, limit=3, first=4)
    assert (indexes(found), found["more"]) == ([4], False)
    assert (await stretch(person, conversation_id, first=5))["items"] == []


async def test_a_turn_is_the_apis_with_its_reply_as_html(person: Person, model: TaughtModel) -> None:
    model.teach("bold", "**bold** <script>")
    conversation_id = await person.conversation()
    turn = await person.say(conversation_id, "bold")
    (found,) = (await stretch(person, conversation_id))["items"]
    assert found == turn | {"reply_html": "<p><strong>bold</strong> &lt;script&gt;</p>\n", "reply_parts": None}
    one = await person.client.get(f"/web/conversations/{conversation_id}/turns/{turn['id']}")
    assert one.json() == found
    assert one.headers["cache-control"] == "no-store"


async def test_a_conversation_without_turns_has_none(person: Person) -> None:
    assert await stretch(person, await person.conversation()) == {"items": [], "more": False}


async def test_somebody_elses_is_what_is_missing(service: RunningService, person: Person, conversation_id: str) -> None:
    other = await service.person()
    turn_id = (await stretch(person, conversation_id))["items"][0]["id"]
    for path in ("", "?first=0", f"/{turn_id}"):
        theirs = await other.client.get(f"/web/conversations/{conversation_id}/turns{path}")
        missing = await other.client.get(f"/web/conversations/{new_id()}/turns{path}")
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content == missing.content
        nobody = await service.client().get(f"/web/conversations/{conversation_id}/turns{path}")
        assert nobody.status_code == 401


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "first=-1", "first=x", "start=x", "first=2147483647"])
async def test_what_cannot_be_asked_is_refused(person: Person, conversation_id: str, query: str) -> None:
    answer = await person.client.get(f"/web/conversations/{conversation_id}/turns?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def markdown(client: httpx2.AsyncClient, body: object, **headers: str) -> httpx2.Response:
    return await client.post("/web/markdown", json=body, headers=headers)


async def test_part_of_a_reply_is_rendered_for_the_signed_in(service: RunningService, person: Person) -> None:
    answer = await markdown(person.client, {"text": "*a*"})
    assert answer.json() == {"html": "<p><em>a</em></p>\n"}
    assert (await markdown(service.client(), {"text": "*a*"})).status_code == 401
    assert (await markdown(person.client, {"text": "a" * (MAX_MARKDOWN_CHARACTERS + 1)})).status_code == 422
    assert (await markdown(person.client, {"text": "\x00"})).json()["code"] == "invalid_text"
    assert (await markdown(person.client, {"text": "a", "html": True})).status_code == 422
    forged = await markdown(person.client, {"text": "a"}, **{"Sec-Fetch-Site": "cross-site"})
    assert forged.json()["code"] == "cross_site_request"


async def test_one_users_slow_text_keeps_nobody_else_waiting(
    service: RunningService, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten requests of one user, none of which ends before another's is answered."""
    answered, begun = threading.Event(), threading.Event()

    def slowly(text: str) -> str:
        if text == "slow":
            begun.set()
            assert answered.wait(60)
        return render(text)

    monkeypatch.setattr("chatkeep.web.turns.render", slowly)
    other = await service.person()

    async def ask(who: Person, text: str) -> None:
        answer = await who.client.post("/web/markdown", json={"text": text})
        assert answer.status_code == 200, answer.text

    asking = [asyncio.create_task(ask(person, "slow")) for _ in range(10)]
    try:
        assert await asyncio.to_thread(begun.wait, 60)
        await ask(other, "small")
        assert not any(each.done() for each in asking)
    finally:
        answered.set()
    await asyncio.gather(*asking)
