"""`GET /api/v1/conversations?origin=`: what began through `/v1`, through the AI SDK's protocol, or on the page."""

from typing import Any

import pytest

from tests.support.running_service import Person, RunningService

ORIGINS: dict[str, Any] = {"api": {"origin": "api"}, "ui": {"origin": "ui"}, "page": {}, "other": {"origin": ["api"]}}


@pytest.fixture
async def person(service: RunningService) -> Person:
    """Somebody with three conversations of each origin, one of them archived."""
    person = await service.person()
    for number in range(3):
        for name, metadata in ORIGINS.items():
            conversation_id = await person.conversation(title=f"{name} {number}", metadata=metadata)
            if number == 2:
                await person.client.patch(f"/api/v1/conversations/{conversation_id}", json={"archived": True})
    return person


async def titles(person: Person, **params: Any) -> list[str]:
    """Return the titles of all pages, two to a page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await person.client.get("/api/v1/conversations", params={"limit": 2, **params, **cursor})
        page = answer.json()
        found += [each["title"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_each_origin_is_a_list_of_its_own(person: Person) -> None:
    assert await titles(person, origin="api") == ["api 2", "api 1", "api 0"]
    assert await titles(person, origin="ui") == ["ui 2", "ui 1", "ui 0"]
    # What a client of the page's API says of its own conversations is no origin.
    assert await titles(person, origin="page") == ["other 2", "page 2", "other 1", "page 1", "other 0", "page 0"]
    assert len(await titles(person)) == 12


async def test_it_goes_with_the_other_filters(person: Person) -> None:
    assert await titles(person, origin="api", archived="true") == ["api 2"]
    assert await titles(person, origin="page", archived="false", q="PAGE") == ["page 1", "page 0"]
    assert await titles(person, origin="ui", q="1") == ["ui 1"]
    assert await titles(person, origin="api", q="ui") == []


async def test_there_is_no_other(person: Person) -> None:
    answer = await person.client.get("/api/v1/conversations", params={"origin": "elsewhere"})
    assert answer.status_code == 422
