"""`/v1/files`, asked by OpenAI's own client."""

import base64
from typing import Any

import openai
import pytest

from tests.openai.clients import ApiUser, api_user
from tests.openai.test_responses import PIXEL
from tests.support.running_service import RunningService


@pytest.fixture
async def user(service: RunningService) -> ApiUser:
    return await api_user(service)


async def test_files_are_sent_listed_read_and_deleted(user: ApiUser) -> None:
    files = user.openai.files
    made = [
        await files.create(file=(f"tea-{number}.txt", f"Sencha {number}".encode()), purpose="user_data")
        for number in range(5)
    ]
    assert (made[0].filename, made[0].bytes, made[0].object) == ("tea-0.txt", 8, "file")
    assert [each.id async for each in files.list(limit=2)] == [each.id for each in made[::-1]]
    assert await files.retrieve(made[0].id) == made[0]
    assert (await files.content(made[0].id)).content == b"Sencha 0"
    assert (await files.delete(made[0].id)).deleted
    with pytest.raises(openai.NotFoundError):
        await files.retrieve(made[0].id)
    with pytest.raises(openai.BadRequestError) as raised:
        await files.list(order="asc")
    assert raised.value.param == "order"


async def test_a_file_is_named_in_a_prompt_and_kept_as_long(user: ApiUser) -> None:
    data = base64.b64decode(PIXEL.partition(",")[2])
    made = await user.openai.files.create(file=("tea.png", data), purpose="vision")
    picture: Any = {"type": "input_image", "file_id": made.id}
    asked = await user.openai.responses.create(model="m", input=[{"role": "user", "content": [picture]}])
    items = [item async for item in user.openai.responses.input_items.list(asked.id)]
    assert items[0].content[0].file_id == made.id
    with pytest.raises(openai.ConflictError) as raised:
        await user.openai.files.delete(made.id)
    assert raised.value.code == "file_in_use"


async def test_what_is_no_file_is_refused(user: ApiUser) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await user.openai.files.create(file=("a.zip", b"PK\x03\x04\x00\x00"), purpose="user_data")
    assert raised.value.code == "file_type_not_allowed"
    with pytest.raises(openai.APIStatusError) as large:
        await user.openai.files.create(file=("a.txt", b"x" * (11 * 1024 * 1024)), purpose="user_data")
    assert large.value.status_code == 413
