"""Users with their access tokens, and OpenAI's own client for each."""

from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AsyncOpenAI

from tests.support.running_service import USERS_SCOPES, Person, RunningService


@dataclass
class ApiUser:
    """A user with an access token.

    Args:
        openai: the stock client, an `AsyncOpenAI`. It tries nothing again by itself unless a test asks it to.
        http: a plain client with the token, for what the stock client would not send or show.
    """

    person: Person
    token: str
    openai: Any
    http: httpx2.AsyncClient

    def on(self, service: RunningService) -> "ApiUser":
        """Return the same user on another replica."""
        return api_user_of(self.person, self.token, service)


def api_user_of(person: Person, token: str, service: RunningService, **options: Any) -> ApiUser:
    chosen: dict[str, Any] = {"max_retries": 0, "http_client": service.client()} | options
    client = AsyncOpenAI(base_url=f"{service.url}/v1", api_key=token, **chosen)
    http = service.client(headers={"Authorization": f"Bearer {token}"})
    return ApiUser(person, token, client, http)


async def api_user(service: RunningService) -> ApiUser:
    """Register a user and make a token."""
    person = await service.person()
    made = await person.client.post("/api/v1/auth/tokens", json={"name": "openai", "scopes": USERS_SCOPES})
    assert made.status_code == 201, made.text
    return api_user_of(person, made.json()["token"], service)
