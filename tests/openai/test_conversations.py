"""`/v1/conversations` and their items, asked by OpenAI's own client."""

import asyncio
from typing import Any

import openai
import pytest

from tests.accounts.client import change
from tests.openai.clients import ApiUser
from tests.support.models import HeldModel
from tests.support.running_service import RunningService


def texts(items: list[Any]) -> list[str]:
    return [item.content[0].text for item in items if item.type == "message"]


def own(conversation_id: str) -> str:
    return conversation_id.removeprefix("conv_")


async def test_a_conversation_is_made_read_changed_listed_and_deleted(user: ApiUser) -> None:
    api = user.openai.conversations
    made = await api.create(metadata={"topic": "tea"})
    assert (made.object, made.metadata) == ("conversation", {"topic": "tea"})
    assert await api.retrieve(made.id) == made
    changed = await api.update(made.id, metadata={"topic": "coffee"})
    assert changed.metadata == {"topic": "coffee"}
    kept = (await user.person.client.get(f"/api/v1/conversations/{own(made.id)}")).json()
    assert kept["metadata"] == {"topic": "coffee", "origin": "api"}
    others = [await api.create() for _ in range(3)]
    listed = (await user.http.get("/v1/conversations?limit=2")).json()
    assert (len(listed["data"]), listed["has_more"]) == (2, True)
    rest = (await user.http.get("/v1/conversations", params={"after": listed["last_id"]})).json()
    assert [each["id"] for each in listed["data"] + rest["data"]] == [each.id for each in [*others[::-1], made]]
    deleted = await api.delete(made.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "conversation.deleted")
    with pytest.raises(openai.NotFoundError):
        await api.retrieve(made.id)


async def test_metadata_is_as_short_as_on_the_page(user: ApiUser) -> None:
    api = user.openai.conversations
    longest = {"topic": "x" * 16_000}
    made = await api.create(metadata=longest)
    assert made.metadata == longest
    for asked in (api.create(metadata={"topic": "x" * 16_384}), api.update(made.id, metadata={"topic": "x" * 16_384})):
        with pytest.raises(openai.BadRequestError) as raised:
            await asked
        assert raised.value.param == "metadata"


async def test_items_are_kept_without_a_model_and_shown_to_the_next(user: ApiUser, model: HeldModel) -> None:
    api = user.openai.conversations
    made = await api.create(items=[{"role": "user", "content": "One"}])
    added = await api.items.create(
        made.id,
        items=[
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Eins"}]},
            {"role": "user", "content": "Two"},
        ],
    )
    assert texts(added.data) == ["Eins", "Two"]
    assert model.prompts == []
    response = await user.openai.responses.create(model="m", input="Three", conversation=made.id)
    assert response.conversation.id == made.id
    assert response.previous_response_id is None
    sent = [(message["role"], message["content"]) for message in model.prompts[-1].to_openai_messages()]
    assert sent == [("user", "One"), ("assistant", "Eins"), ("user", "Two\n\nThree")]
    items = [item async for item in api.items.list(made.id, order="asc")]
    assert texts(items) == ["One", "Eins", "Two", "Three", "A reply"]
    assert [item.role for item in items] == ["user", "assistant", "user", "user", "assistant"]
    for item in items:
        assert await api.items.retrieve(item.id, conversation_id=made.id) == item
    turns = await user.person.turns(own(made.id), order="asc")
    assert [turn["status"] for turn in turns] == ["complete"] * 3


async def test_pages_of_items_are_whole_in_both_orders(user: ApiUser) -> None:
    api = user.openai.conversations
    made = await api.create()
    for start in range(0, 57, 3):
        await api.items.create(
            made.id, items=[{"role": "user", "content": str(number)} for number in range(start, start + 3)]
        )
    expected = [str(number) for number in range(57)]
    for limit in (1, 7, 20, 100):
        ascending = [item async for item in api.items.list(made.id, order="asc", limit=limit)]
        assert texts(ascending) == expected
        descending = [item async for item in api.items.list(made.id, limit=limit)]
        assert texts(descending) == expected[::-1]
    assert len({item.id for item in ascending}) == 57


async def test_a_page_of_long_items_ends_early_and_the_pager_reads_them_all(user: ApiUser) -> None:
    api = user.openai.conversations
    made = await api.create()
    for number in range(6):
        await api.items.create(made.id, items=[{"role": "user", "content": f"{number}" + "x" * 400_000}])
    for order in ("asc", "desc"):
        answer = await user.http.get(f"/v1/conversations/{made.id}/items", params={"order": order, "limit": "100"})
        first = answer.json()
        assert (len(first["data"]), first["has_more"]) == (3, True)
        read = [item.content[0].text[0] async for item in api.items.list(made.id, order=order, limit=100)]
        assert "".join(read if order == "asc" else read[::-1]) == "012345"


async def test_unknown_items_are_found_by_the_ids_that_they_are_listed_with(user: ApiUser) -> None:
    unknown = [{"type": "web_search_call", "id": f"ws_{number}", "status": "completed"} for number in range(5)]
    made = (await user.http.post("/v1/conversations", json={"items": unknown})).json()
    items = f"/v1/conversations/{made['id']}/items"
    listed: list[Any] = []
    while len(listed) < len(unknown):
        after = {"after": listed[-1]["id"]} if listed else {}
        answer = await user.http.get(items, params={"limit": "2", "order": "asc", **after})
        listed += answer.raise_for_status().json()["data"]
    assert [item | {"id": f"ws_{number}"} for number, item in enumerate(listed)] == unknown
    assert (await user.http.get(f"{items}/{listed[2]['id']}")).json() == listed[2]
    await user.http.delete(f"{items}/{listed[2]['id']}")
    assert (await user.http.get(items, params={"order": "asc"})).json()["data"] == listed[:2] + listed[3:]


async def test_items_are_deleted_one_by_one_and_the_others_keep_their_ids(user: ApiUser, model: HeldModel) -> None:
    api = user.openai.conversations
    made = await api.create()
    await user.openai.responses.create(
        model="m",
        input=[{"role": "user", "content": text} for text in ("One", "Secret", "Three")],
        conversation=made.id,
    )
    await user.openai.responses.create(model="m", input="Four", conversation=made.id)
    before = [item async for item in api.items.list(made.id, order="asc")]
    assert texts(before) == ["One", "Secret", "Three", "A reply", "Four", "A reply"]
    answer = await api.items.delete(before[1].id, conversation_id=made.id)
    assert answer.id == made.id
    after = [item async for item in api.items.list(made.id, order="asc")]
    assert after == before[:1] + before[2:]
    with pytest.raises(openai.NotFoundError):
        await api.items.retrieve(before[1].id, conversation_id=made.id)
    await user.openai.responses.create(model="m", input="Five", conversation=made.id)
    assert "Secret" not in str(model.prompts[-1].to_openai_messages())
    assert "One\n\nThree" in str(model.prompts[-1].to_openai_messages()[0]["content"])
    found = await user.person.client.get("/api/v1/search?q=Secret")
    assert found.json()["items"] == []
    assert len((await user.person.client.get("/api/v1/search?q=Three")).json()["items"]) == 1
    # As a session of openai-agents empties itself.
    while True:
        items = [item async for item in api.items.list(made.id, limit=1)]
        if not items:
            break
        await api.items.delete(items[0].id, conversation_id=made.id)
    kept = (await user.person.client.get(f"/api/v1/conversations/{own(made.id)}")).json()
    assert (kept["turn_count"], kept["head_turn_id"]) == (0, None)
    await user.openai.responses.create(model="m", input="Again", conversation=made.id)
    assert [message["content"] for message in model.prompts[-1].to_openai_messages()] == ["Again"]


async def test_items_that_are_deleted_at_once_are_all_gone(user: ApiUser) -> None:
    api = user.openai.conversations
    words = ["One", "Two", "Three", "Four", "Five", "Six"]
    made = await api.create(items=[{"role": "user", "content": word} for word in words])
    items = [item async for item in api.items.list(made.id, order="asc")]
    await asyncio.gather(*(api.items.delete(item.id, conversation_id=made.id) for item in items[:-1]))
    assert [item async for item in api.items.list(made.id, order="asc")] == items[-1:]
    answers = await asyncio.gather(
        *(user.http.delete(f"/v1/conversations/{made.id}/items/{items[-1].id}") for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert (await user.person.client.get("/api/v1/search?q=Two")).json()["items"] == []


async def test_a_response_is_deleted_and_what_came_after_it_stays(user: ApiUser, model: HeldModel) -> None:
    ask = user.openai.responses.create
    first = await ask(model="m", input="Secret one")
    second = await ask(model="m", input="Two", previous_response_id=first.id)
    third = await ask(model="m", input="Three", previous_response_id=second.id)
    await user.openai.responses.delete(third.id)
    await user.openai.responses.delete(first.id)
    for gone in (first, third):
        with pytest.raises(openai.NotFoundError):
            await user.openai.responses.retrieve(gone.id)
        with pytest.raises(openai.NotFoundError):
            await ask(model="m", input="More", previous_response_id=gone.id)
    fourth = await ask(model="m", input="Four", previous_response_id=second.id)
    assert [message["content"] for message in model.prompts[-1].to_openai_messages()] == ["Two", "A reply", "Four"]
    export = (await user.person.client.get("/api/v1/export")).text
    assert "Secret" not in export
    assert "Three" not in export
    for each in (fourth, second):
        await user.openai.responses.delete(each.id)
    alone = await ask(model="m", input="Alone")
    await user.openai.responses.delete(alone.id)
    kept = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [each["turn_count"] for each in kept] == [1]  # of the first, which others came after
    log = (await user.person.client.get("/api/v1/auth/me")).json()
    assert log["username"] == user.person.username


async def test_a_response_is_deleted_while_it_is_generated(user: ApiUser, model: HeldModel) -> None:
    model.script = ("Long ", None)
    made = await user.openai.responses.create(model="m", input="Tell.", background=True)
    await user.openai.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await user.openai.responses.retrieve(made.id)
    assert (await user.person.client.get("/api/v1/conversations")).json()["items"] == []


async def test_what_is_under_hold_is_not_deleted(service: RunningService, user: ApiUser) -> None:
    made = await user.openai.conversations.create(items=[{"role": "user", "content": "One"}])
    response = await user.openai.responses.create(model="m", input="Two", conversation=made.id)
    await change(service.database, "UPDATE users SET legal_hold = true WHERE id = cast(:id AS uuid)", id=user.person.id)
    item = await anext(aiter(user.openai.conversations.items.list(made.id, limit=1)))
    for delete in (
        user.openai.conversations.delete(made.id),
        user.openai.responses.delete(response.id),
        user.openai.conversations.items.delete(item.id, conversation_id=made.id),
    ):
        with pytest.raises(openai.ConflictError) as raised:
            await delete
        assert raised.value.code == "legal_hold"
