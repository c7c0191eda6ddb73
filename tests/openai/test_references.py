"""References to items in an input: each stands for the kept item, of the asker's own."""

from typing import Any

import openai
import pytest

from chatkeep.chat.models import Item, Reasoning
from chatkeep.openai import references
from tests.openai.clients import ApiUser, api_user
from tests.openai.test_responses import CALL
from tests.support.models import HeldModel
from tests.support.running_service import RunningService


def shown(model: HeldModel) -> list[tuple[str, Any]]:
    return [(message["role"], message.get("content")) for message in model.prompts[-1].to_openai_messages()]


async def ask(user: ApiUser, *items: Any, **options: Any) -> Any:
    return await user.openai.responses.create(model="m", input=list(items), **options)


@pytest.mark.parametrize("kept", [True, False])
async def test_it_is_as_if_the_item_had_been_sent(user: ApiUser, model: HeldModel, kept: bool) -> None:
    first = await user.openai.responses.create(model="m", input="One")
    asked = (await user.openai.responses.input_items.list(first.id)).data[0]
    said, new = {"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "Two"}
    # OpenAI's clients may leave out the type.
    second = await ask(user, {"id": asked.id}, said, new, store=kept)
    assert shown(model) == [("user", "One"), ("assistant", "A reply"), ("user", "Two")]
    if kept:
        items = [each.to_dict() async for each in user.openai.responses.input_items.list(second.id, order="asc")]
        assert [each["type"] for each in items] == ["message"] * 3
        assert [each["content"][0]["text"] for each in items] == ["One", "A reply", "Two"]


async def test_calls_and_thoughts_are_referred_to(user: ApiUser, model: HeldModel) -> None:
    model.script = (Reasoning("Hm.", "reasoning_content"), Item(CALL))
    first = await user.openai.responses.create(model="m", input="Weather?")
    model.script = ("Rain.",)
    references = [{"type": "item_reference", "id": each.id} for each in first.output]
    output = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
    await ask(user, {"role": "user", "content": "Weather?"}, *references, output)
    sent = model.prompts[-1].to_openai_messages()
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "weather"


async def test_items_of_a_conversation_are_copied(user: ApiUser) -> None:
    first = await user.openai.responses.create(model="m", input="One")
    made = await user.openai.conversations.create(items=[{"type": "item_reference", "id": first.output[0].id}])
    items = (await user.openai.conversations.items.list(made.id)).data
    assert [(each.role, each.content[0].text) for each in items] == [("assistant", "A reply")]
    # It is a copy: the original may go.
    await user.openai.responses.delete(first.id)
    assert (await user.openai.conversations.items.list(made.id)).data == items


@pytest.mark.parametrize("store", [True, False])
async def test_an_item_that_is_not_there_is_named(service: RunningService, user: ApiUser, store: bool) -> None:
    other, deleted = await api_user(service), await user.openai.responses.create(model="m", input="Gone")
    await user.openai.responses.delete(deleted.id)
    theirs = await other.openai.responses.create(model="m", input="Secret")
    number = len((await user.person.client.get("/api/v1/conversations")).json()["items"])
    for missing in (theirs.output[0].id, deleted.output[0].id, "rs_68b802ebea", "msg_" + "0" * 32 + "_0", "x" * 5000):
        with pytest.raises(openai.NotFoundError, match=r"Item with id .* not found") as raised:
            await ask(user, {"type": "item_reference", "id": missing}, {"role": "user", "content": "Hi"}, store=store)
        assert raised.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        await user.openai.conversations.create(items=[{"type": "item_reference", "id": theirs.output[0].id}])
    assert len((await user.person.client.get("/api/v1/conversations")).json()["items"]) == number


async def test_a_short_request_does_not_make_a_long_prompt(
    user: ApiUser, model: HeldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MAX_REFERRED_CHARACTERS", 10_000)
    model.script = ("x" * 4_000,)
    ids = [(await user.openai.responses.create(model="m", input="Long")).output[0].id for _ in range(3)]
    for several in (ids[:1] * 3, ids):
        with pytest.raises(openai.BadRequestError, match="too long together") as raised:
            await ask(user, *({"type": "item_reference", "id": each} for each in several))
        assert raised.value.param == "input"
    await ask(user, *({"type": "item_reference", "id": each} for each in ids[:2]))
