"""A browser that chats before it has an account."""

from typing import Any

import httpx2

from tests.accounts.client import AUTH
from tests.support.running_service import Person, RunningService

CONVERSATIONS = "/api/v1/conversations"


async def guest(service: RunningService) -> Person:
    """Return a guest who has said one thing."""
    client = service.client()
    answer = await client.post(CONVERSATIONS, json={"title": "from a guest"})
    assert answer.status_code == 201, answer.text
    user = (await client.get(f"{AUTH}/me")).json()
    assert user["is_guest"]
    person = Person(client, user["id"], user["username"])
    await person.say(answer.json()["id"], "Hello from a guest")
    return person


async def the_conversations(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Return the caller's conversations, oldest first."""
    items: list[dict[str, Any]] = (await client.get(CONVERSATIONS)).json()["items"]
    return sorted(items, key=lambda each: str(each["id"]))


def same_browser(service: RunningService, person: Person) -> httpx2.AsyncClient:
    """Return another client with a copy of the person's cookies."""
    return service.client(cookies=dict(person.client.cookies))
