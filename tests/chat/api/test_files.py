"""Files over HTTP: what is taken, what is refused and in which words, and what a browser is given of them."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chatkeep.chat.files.queries import MIN_CHARGED_BYTES
from chatkeep.http.uploads import MAX_UPLOADS_OF_ONE_USER
from tests.accounts.client import change, value
from tests.chat.files.pictures import FILES, HTML, SVG, add, png, post
from tests.http.test_bodies import code_of
from tests.support.running_service import RunningService, running
from tests.support.urls import driver_url

PIECES = "SELECT count(*) FROM file_pieces WHERE user_id = :id"
USAGE = "SELECT coalesce(sum(bytes), 0) FROM file_usage WHERE user_id = :id"
SIZES = "SELECT coalesce(sum(greatest(size, 4096)), 0) FROM files WHERE user_id = :id"


async def test_a_picture_comes_back_as_it_went_in_and_is_shown(service: RunningService) -> None:
    person, data = await service.person(), png(300, 200)
    kept = await add(person, data, "お茶.png")
    assert {**kept, "id": "", "created_at": ""} == {
        "id": "",
        "name": "お茶.png",
        "media_type": "image/png",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "created_at": "",
    }
    assert (await person.client.get(f"{FILES}/{kept['id']}")).json() == kept
    answer = await person.client.get(f"{FILES}/{kept['id']}/content")
    assert answer.content == data
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("inline;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_large_file_comes_back_in_all_its_pieces(service: RunningService) -> None:
    person, data = await service.person(), b"".join(b"%07d\n" % number for number in range(150_000))
    kept = await add(person, data, "numbers.csv", "image/png")
    assert (kept["media_type"], kept["size"]) == ("text/plain", len(data))
    assert (await person.client.get(f"{FILES}/{kept['id']}/content")).content == data
    assert await value(service.database, PIECES, id=UUID(person.id)) == 5


@pytest.mark.parametrize("data", [SVG, HTML, b"GIF", b"<?xml version='1.0'?>", b"%PDF-1.7 text"])
@pytest.mark.parametrize("label", ["image/png", "image/svg+xml", "text/html"])
async def test_what_could_run_in_a_page_is_saved_and_never_shown(
    service: RunningService, data: bytes, label: str
) -> None:
    person = await service.person()
    kept = await add(person, data, "picture.svg", label)
    answer = await person.client.get(f"{FILES}/{kept['id']}/content")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-type"].partition(";")[0] in ("text/plain", "application/pdf")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "picture.svg.txt" in answer.headers["content-disposition"] or kept["media_type"] == "application/pdf"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip", b"\0\0\0\x18ftypmp42", b"text\xff", b"cut \xe3\x81"])
async def test_other_files_are_refused_in_words(service: RunningService, data: bytes) -> None:
    refused = await post(await service.person(), data)
    assert code_of(refused, 422) == "file_type_not_allowed"


async def test_the_same_bytes_of_one_user_are_one_file(service: RunningService) -> None:
    person, other, data = await service.person(), await service.person(), png(shade=7)
    first = await add(person, data)
    assert await add(person, data, "another name.png") == first | {"name": "another name.png"}
    assert (await add(other, data))["id"] != first["id"]
    assert await value(service.database, USAGE, id=UUID(person.id)) == MIN_CHARGED_BYTES


async def test_somebody_elses_file_is_not_there(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    kept = await add(person, png())
    for path in ("", "/content"):
        assert code_of(await other.client.get(f"{FILES}/{kept['id']}{path}"), 404) == "not_found"
    assert code_of(await other.client.delete(f"{FILES}/{kept['id']}"), 404) == "not_found"
    assert (await other.client.get(FILES)).json()["items"] == []


async def test_files_are_listed_newest_first_and_deleted(service: RunningService) -> None:
    person = await service.person()
    kept = [await add(person, png(shade=shade)) for shade in range(5)]
    first = (await person.client.get(FILES, params={"limit": 3})).json()
    second = (await person.client.get(FILES, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert first["items"] + second["items"] == kept[::-1]
    assert second["next_cursor"] is None
    assert (await person.client.delete(f"{FILES}/{kept[0]['id']}")).status_code == 204
    assert code_of(await person.client.get(f"{FILES}/{kept[0]['id']}/content"), 404) == "not_found"
    assert await value(service.database, PIECES, id=UUID(person.id)) == 4
    assert await value(service.database, USAGE, id=UUID(person.id)) == 4 * MIN_CHARGED_BYTES


async def test_nothing_of_somebody_under_legal_hold_is_deleted(service: RunningService) -> None:
    person = await service.person()
    kept = await add(person, png())
    await change(service.database, "UPDATE users SET legal_hold = true WHERE id = :id", id=UUID(person.id))
    assert code_of(await person.client.delete(f"{FILES}/{kept['id']}"), 409) == "legal_hold"


async def test_a_form_without_a_file_is_refused(service: RunningService) -> None:
    person = await service.person()
    assert code_of(await person.client.post(FILES, data={"file": "text"}), 422) == "file_missing"
    assert code_of(await person.client.post(FILES, content=png()), 422) == "file_missing"


async def test_a_stranger_sends_nothing(service: RunningService) -> None:
    answer = await service.client().post(FILES, files={"file": ("tea.png", png(), "image/png")})
    assert code_of(answer, 401) == "not_authenticated"


async def test_a_file_that_is_too_large_is_refused_in_words(database_url: str) -> None:
    async with running(database_url, max_file_bytes=100_000) as service:
        person = await service.person()
        for size in (100_001, 300_000):
            refused = await post(person, b"x" * size, "long.txt")
            assert code_of(refused, 413) == "file_too_large"
            assert "97.66 KB" in refused.json()["detail"]
        assert (await post(person, b"x" * 100_000, "long.txt")).status_code == 201


async def test_uploads_that_race_at_the_quota_never_pass_it(database_url: str) -> None:
    async with running(database_url, file_quota_bytes=5 * MIN_CHARGED_BYTES) as service:
        person = await service.person()
        answers: list[Any] = []
        for shades in ((1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)):
            assert len(shades) <= MAX_UPLOADS_OF_ONE_USER
            answers += await asyncio.gather(*(post(person, png(shade=shade)) for shade in shades))
        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [403] * 6
        refused = next(answer for answer in answers if answer.status_code == 403)
        assert code_of(refused, 403) == "file_quota_reached"
        assert "20 KB" in refused.json()["detail"]
        id_ = UUID(person.id)
        assert await value(service.database, USAGE, id=id_) == await value(service.database, SIZES, id=id_)
        kept = (await person.client.get(FILES)).json()["items"]
        assert (await person.client.delete(f"{FILES}/{kept[0]['id']}")).status_code == 204
        assert (await post(person, png(shade=99))).status_code == 201


async def test_the_same_bytes_sent_at_once_are_one_file(service: RunningService) -> None:
    person = await service.person()
    kept = await asyncio.gather(*(add(person, png(shade=42)) for _ in range(MAX_UPLOADS_OF_ONE_USER)))
    assert len({each["id"] for each in kept}) == 1


async def test_a_file_goes_with_its_account(database_url: str) -> None:
    async with running(database_url) as service:
        person = await service.person()
        await add(person, png())
        body = {"password": "tests have long passwords"}
        answer = await person.client.request("DELETE", "/api/v1/auth/me", json=body)
        assert answer.status_code == 204
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        for table in ("files", "file_pieces", "turn_files", "file_usage"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    finally:
        await connection.close()
