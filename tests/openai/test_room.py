"""`truncation`: what a client is told of it, and one that forbids it."""

from collections.abc import AsyncIterator

import openai
import pytest

from tests.openai.clients import ApiUser, api_user
from tests.support.models import HeldModel
from tests.support.running_service import RunningService, running

CONTEXT_TOKENS = 256
# A hundred tokens: three such turns do not fit.
LONG = "tea " * 75


@pytest.fixture
async def service(shared_database_url: str, model: HeldModel) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=model, context_tokens=CONTEXT_TOKENS) as service:
        yield service


async def test_the_truth_is_told(user: ApiUser, model: HeldModel) -> None:
    last = await user.openai.responses.create(model="m", input=LONG)
    for _ in range(3):
        last = await user.openai.responses.create(model="m", input=LONG, previous_response_id=last.id)
    assert len(model.prompts[-1].to_openai_messages()) < 7  # not all that was said
    assert last.truncation == "auto"
    assert (await user.openai.responses.retrieve(last.id)).truncation == "auto"


@pytest.mark.parametrize("store", [True, False])
async def test_a_client_may_forbid_it(user: ApiUser, model: HeldModel, store: bool) -> None:
    create = user.openai.responses.create
    # A prompt is never cut, however long; the model says what it makes of it.
    first = await create(model="m", input=LONG, truncation="disabled")
    assert first.truncation == "disabled"
    second = await create(model="m", input="Short", previous_response_id=first.id, truncation="disabled")
    assert [each["content"] for each in model.prompts[-1].to_openai_messages()] == [LONG, "A reply", "Short"]
    asked = len(model.prompts)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="256 tokens") as raised:
            await create(
                model="m",
                input=LONG * 2,
                previous_response_id=second.id,
                truncation="disabled",
                stream=stream,
                store=store,
            )
        assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "input")
    assert len(model.prompts) == asked
    # Nothing of it was kept, and the conversation can be gone on with.
    kept = (await user.person.client.get("/api/v1/conversations")).json()["items"]
    assert [each["turn_count"] for each in kept] == [2]
    await create(model="m", input="Again", previous_response_id=second.id, truncation="auto")


async def test_instructions_and_every_turn_count(user: ApiUser) -> None:
    conversation = await user.openai.conversations.create()
    for _ in range(25):  # more than are read at a time
        await user.openai.conversations.items.create(conversation.id, items=[{"role": "user", "content": "x"}])
    create = user.openai.responses.create
    await create(model="m", input="Hi", conversation=conversation.id, truncation="disabled")
    with pytest.raises(openai.BadRequestError):
        await create(model="m", input="Hi", conversation=conversation.id, truncation="disabled", instructions=LONG * 2)
    with pytest.raises(openai.NotFoundError) as raised:
        await create(model="m", input="Hi", conversation="conv_" + "0" * 32, truncation="disabled")
    assert raised.value.param == "conversation"


async def test_a_retry_joins_what_was_not_refused(user: ApiUser) -> None:
    conversation, key = await user.openai.conversations.create(), {"Idempotency-Key": "one"}
    asked = {"model": "m", "input": LONG * 3, "conversation": conversation.id, "truncation": "disabled"}
    first = await user.openai.responses.create(**asked, extra_headers=key)
    assert (await user.openai.responses.create(**asked, extra_headers=key)).id == first.id
    with pytest.raises(openai.BadRequestError):
        await user.openai.responses.create(**asked)


async def test_another_users_conversation_has_no_length(service: RunningService, user: ApiUser) -> None:
    other = await api_user(service)
    theirs = await other.openai.conversations.create(items=[{"role": "user", "content": LONG * 4}])
    with pytest.raises(openai.NotFoundError):
        await user.openai.responses.create(
            model="m", input="Hi", conversation=theirs.id, truncation="disabled", instructions="x"
        )
