"""`store: false`: answered, and kept nowhere; or refused, where the operator has everything kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from sqlalchemy import select

from chatkeep.database.tables import metadata
from tests.openai.clients import ApiUser, api_user
from tests.openai.test_responses import PIXEL
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running

SECRET = "pomegranate"
SAID = "A reply of persimmon"


@pytest.fixture
def model() -> HeldModel:
    return HeldModel("A reply ", "of persimmon")


@pytest.fixture
async def service(database_url: str, model: HeldModel) -> AsyncIterator[RunningService]:
    async with running(database_url, model=model, flush_interval_ms=10) as service:
        yield service


@pytest.fixture
async def user(service: RunningService) -> ApiUser:
    return await api_user(service)


async def rows(service: RunningService) -> dict[str, str]:
    """Return all that the database holds, but for when a user was seen and a lease was renewed."""
    found: dict[str, str] = {}
    async with service.database.transaction() as connection:
        for table in metadata.tables.values():
            if table.name in ("replicas", "access_tokens"):
                continue
            columns = [column for column in table.columns if column.name != "last_seen_at"]
            found[table.name] = str((await connection.execute(select(*columns))).all())
    return found


async def test_nothing_of_it_is_kept(service: RunningService, user: ApiUser, model: HeldModel, caplog: Any) -> None:
    before = await rows(service)
    picture = {"type": "input_image", "image_url": PIXEL}
    asked: Any = [{"role": "user", "content": [{"type": "input_text", "text": SECRET}, picture]}]
    made = await user.openai.responses.create(model="m", input=asked, store=False, instructions="Be short.")
    assert (made.status, made.output_text, made.store) == ("completed", SAID, False)
    assert made.usage.total_tokens == 8
    content: Any = model.prompts[-1].to_openai_messages_with_files()[-1]["content"]
    assert (content[0]["image_url"]["url"], content[1]["text"]) == (PIXEL, SECRET)
    with pytest.raises(openai.NotFoundError):
        await user.openai.responses.retrieve(made.id)
    async with user.openai.responses.stream(model="m", input=SECRET, store=False) as stream:
        async for _ in stream:
            pass
        assert (await stream.get_final_response()).output_text == SAID
    messages: Any = [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "x"}]
    messages += [{"role": "user", "content": "And?"}]
    create = user.openai.chat.completions.create
    whole = await create(model="m", messages=messages, store=False)
    assert whole.choices[0].message.content == SAID
    assert [each["content"] for each in model.prompts[-1].to_openai_messages()] == [SECRET, "x", "And?"]
    chunks = [chunk async for chunk in await create(model="m", messages=messages, store=False, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    after = await rows(service)
    assert after == before
    assert not [record for record in caplog.records if SECRET in str(record.msg) or "persimmon" in str(record.msg)]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": "DATA:" + PIXEL.removeprefix("data:")},
        {"type": "input_image", "url": PIXEL},
        {"type": "image_url", "image_url": {"url": "Data:" + PIXEL.removeprefix("data:")}},
    ],
)
async def test_a_file_is_not_kept_however_it_is_written(
    service: RunningService, user: ApiUser, model: HeldModel, part: Any
) -> None:
    before = await rows(service)
    await user.openai.responses.create(model="m", input=[{"role": "user", "content": [part]}], store=False)
    messages: Any = [{"role": "user", "content": [part]}]
    await user.openai.chat.completions.create(model="m", messages=messages, store=False)
    assert await rows(service) == before
    for prompt in model.prompts:
        sent: Any = prompt.to_openai_messages_with_files()[-1]["content"]
        assert sent[0]["image_url"]["url"] == PIXEL


async def test_it_can_follow_what_is_kept(user: ApiUser, model: HeldModel) -> None:
    first = await user.openai.responses.create(model="m", input="One")
    await user.openai.responses.create(model="m", input="Off the record", previous_response_id=first.id, store=False)
    sent = [message["content"] for message in model.prompts[-1].to_openai_messages()]
    assert sent == ["One", SAID, "Off the record"]
    await user.openai.responses.create(model="m", input="Two", previous_response_id=first.id)
    assert [message["content"] for message in model.prompts[-1].to_openai_messages()] == ["One", SAID, "Two"]
    with pytest.raises(openai.NotFoundError):
        await user.openai.responses.create(model="m", input="One", conversation="conv_" + "0" * 32, store=False)


async def test_it_ends_with_its_client(user: ApiUser, model: HeldModel) -> None:
    model.script = ("Half ", None)
    stream = await user.openai.responses.create(model="m", input="Tell.", store=False, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    while not model.stopped:
        await user.openai.models.list()


@pytest.mark.parametrize("path", ["responses", "chat/completions"])
async def test_it_ends_with_its_client_who_waits_for_the_whole(user: ApiUser, model: HeldModel, path: str) -> None:
    model.script = ("Half ", None)
    asked = {"model": "m", "input": "Tell.", "messages": [{"role": "user", "content": "Tell."}], "store": False}
    waiting = asyncio.create_task(user.http.post(f"/v1/{path}", json=asked))
    while not model.prompts:
        await asyncio.sleep(0.01)
    waiting.cancel()
    while not model.stopped:
        await user.openai.models.list()


async def test_what_is_kept_goes_on_without_a_client_who_waits_for_the_whole(user: ApiUser, model: HeldModel) -> None:
    model.script = ("Half ", None, "and half")
    waiting = asyncio.create_task(user.http.post("/v1/responses", json={"model": "m", "input": "Tell."}))
    while not model.prompts:
        await asyncio.sleep(0.01)
    waiting.cancel()
    await user.openai.models.list()
    model.go_on()
    conversation = (await user.person.client.get("/api/v1/conversations")).json()["items"][0]
    while (turn := (await user.person.turns(conversation["id"]))[0])["status"] == "streaming":
        await asyncio.sleep(0.01)
    assert (turn["status"], turn["reply"]["content"]) == ("complete", "Half and half")


async def test_a_programs_own_task_is_not_kept(service: RunningService, user: ApiUser, model: HeldModel) -> None:
    messages: Any = [{"role": "user", "content": SECRET}]
    before = await rows(service)
    headers = {"X-Chatkeep-Task": "title_generation"}
    made = await user.openai.chat.completions.create(model="m", messages=messages, extra_headers=headers)
    assert made.choices[0].message.content == SAID
    response = await user.openai.responses.create(model="m", input=SECRET, extra_headers=headers)
    assert response.store is False
    assert await rows(service) == before
    # A front end that fills the header from a template leaves it empty in a chat.
    await user.openai.chat.completions.create(model="m", messages=messages, extra_headers={"X-Chatkeep-Task": ""})
    assert len((await user.person.client.get("/api/v1/conversations")).json()["items"]) == 1


async def test_it_is_not_for_the_background(user: ApiUser) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await user.openai.responses.create(model="m", input="Hi", store=False, background=True)
    assert raised.value.param == "background"


async def test_an_operator_may_have_everything_kept(database_url: str, model: HeldModel) -> None:
    async with running(database_url, model=model, openai_store="always") as service:
        user = await api_user(service)
        with pytest.raises(openai.BadRequestError, match="CHATKEEP_OPENAI_STORE=always") as raised:
            await user.openai.responses.create(model="m", input="Hi", store=False)
        assert raised.value.param == "store"
        messages: Any = [{"role": "user", "content": "Hi"}]
        with pytest.raises(openai.BadRequestError):
            await user.openai.chat.completions.create(model="m", messages=messages, store=False)
        with pytest.raises(openai.BadRequestError, match="X-Chatkeep-Task"):
            await user.openai.chat.completions.create(
                model="m", messages=messages, extra_headers={"X-Chatkeep-Task": "tags_generation"}
            )
        assert model.prompts == []
        assert (await user.openai.responses.create(model="m", input="Hi", store=True)).store is True
