"""Permissions: every call of the document, asked by everybody, on real resources of one owner.

A call that is added without a line in this table fails the test.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chatkeep.app import create_app
from chatkeep.ids import new_id
from chatkeep.transfer.examples import CHATSTREAM_PROMPT
from tests.accounts.client import change
from tests.chat.files.pictures import add
from tests.support.running_service import PASSWORD, Person, RunningService, settings_for

DOCUMENT = create_app(settings_for("postgresql://nobody@127.0.0.1:1/nothing")).openapi()

# Of each call: whom it is for, and its status when it is done.
OPEN, SIGNED_IN, OWN, ADMINISTRATION = "open", "signed in", "own", "administration"
TABLE: dict[str, tuple[str, int]] = {
    "POST /api/v1/auth/register": (OPEN, 201),
    "POST /api/v1/auth/login": (OPEN, 200),
    "POST /api/v1/auth/logout": (OPEN, 204),
    "POST /api/v1/auth/link": (OPEN, 200),
    "POST /api/v1/auth/link/password": (OPEN, 200),
    "GET /api/v1/auth/me": (SIGNED_IN, 200),
    "PATCH /api/v1/auth/me": (SIGNED_IN, 200),
    "DELETE /api/v1/auth/me": (SIGNED_IN, 204),
    "GET /api/v1/auth/me/access-log": (SIGNED_IN, 200),
    "POST /api/v1/auth/password": (SIGNED_IN, 204),
    "GET /api/v1/auth/sessions": (SIGNED_IN, 200),
    "DELETE /api/v1/auth/sessions": (SIGNED_IN, 204),
    "DELETE /api/v1/auth/sessions/{session_id}": (OWN, 204),
    "GET /api/v1/auth/tokens": (SIGNED_IN, 200),
    "POST /api/v1/auth/tokens": (SIGNED_IN, 201),
    "GET /api/v1/auth/token": (SIGNED_IN, 404),
    "DELETE /api/v1/auth/tokens/{token_id}": (OWN, 204),
    "POST /api/v1/conversations": (SIGNED_IN, 201),
    "GET /api/v1/conversations": (SIGNED_IN, 200),
    "GET /api/v1/conversations/{conversation_id}": (OWN, 200),
    "PATCH /api/v1/conversations/{conversation_id}": (OWN, 200),
    "DELETE /api/v1/conversations/{conversation_id}": (OWN, 204),
    "GET /api/v1/conversations/{conversation_id}/turns": (OWN, 200),
    "POST /api/v1/conversations/{conversation_id}/turns": (OWN, 201),
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}": (OWN, 200),
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/regenerate": (OWN, 201),
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/edit": (OWN, 201),
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/continue": (OWN, 201),
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/siblings": (OWN, 200),
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/leaf": (OWN, 200),
    "POST /api/v1/conversations/{conversation_id}/turns/{turn_id}/stop": (OWN, 202),
    "GET /api/v1/conversations/{conversation_id}/turns/{turn_id}/events": (OWN, 200),
    "PUT /api/v1/conversations/{conversation_id}/turns/{turn_id}/feedback": (OWN, 200),
    "DELETE /api/v1/conversations/{conversation_id}/turns/{turn_id}/feedback": (OWN, 204),
    "GET /api/v1/conversations/{conversation_id}/export": (OWN, 200),
    "GET /api/v1/export": (SIGNED_IN, 200),
    "POST /api/v1/files": (SIGNED_IN, 201),
    "GET /api/v1/files": (SIGNED_IN, 200),
    "GET /api/v1/files/{file_id}": (OWN, 200),
    "GET /api/v1/files/{file_id}/content": (OWN, 200),
    "DELETE /api/v1/files/{file_id}": (OWN, 204),
    "GET /api/v1/admin/users/{user_id}/files/{file_id}/content": (ADMINISTRATION, 200),
    "GET /api/v1/models": (SIGNED_IN, 200),
    "GET /api/v1/search": (SIGNED_IN, 200),
    "POST /api/v1/import": (SIGNED_IN, 200),
    "GET /api/v1/admin/users": (ADMINISTRATION, 200),
    "POST /api/v1/admin/users": (ADMINISTRATION, 201),
    "GET /api/v1/admin/users/{user_id}": (ADMINISTRATION, 200),
    "POST /api/v1/admin/users/{user_id}/reset": (ADMINISTRATION, 200),
    "POST /api/v1/admin/users/{user_id}/turns/{turn_id}/stop": (ADMINISTRATION, 202),
    "GET /api/v1/admin/erasures": (ADMINISTRATION, 200),
    "GET /api/v1/admin/erasures/{receipt}": (ADMINISTRATION, 200),
    "PATCH /api/v1/admin/users/{user_id}": (ADMINISTRATION, 200),
    "DELETE /api/v1/admin/users/{user_id}": (ADMINISTRATION, 204),
    "POST /api/v1/admin/users/{user_id}/sessions/revoke": (ADMINISTRATION, 204),
    "GET /api/v1/admin/history": (ADMINISTRATION, 200),
    "GET /api/v1/admin/history/export": (ADMINISTRATION, 200),
    "GET /api/v1/admin/conversations/{conversation_id}": (ADMINISTRATION, 200),
    "GET /api/v1/admin/conversations/{conversation_id}/turns": (ADMINISTRATION, 200),
    "POST /api/v1/admin/retention/run": (ADMINISTRATION, 200),
    "GET /api/v1/admin/stats": (ADMINISTRATION, 200),
    "GET /api/v1/admin/audit": (ADMINISTRATION, 200),
    "GET /healthz": (OPEN, 200),
    "GET /readyz": (OPEN, 200),
    "GET /metrics": (OPEN, 200),
}
ROLES = ("nobody", "another user", "the owner", "an administrator")
DONE = 0
STATUSES = {
    OPEN: (DONE, DONE, DONE, DONE),
    SIGNED_IN: (401, DONE, DONE, DONE),
    OWN: (401, 404, DONE, 404),
    ADMINISTRATION: (401, 403, 403, DONE),
}
# They end the session that asks, so that each gets an account of its own for it.
ENDS_SESSION = (
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/logout",
    "DELETE /api/v1/auth/me",
    "POST /api/v1/auth/password",
    "DELETE /api/v1/auth/sessions",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/link/password",
)


@dataclass(frozen=True)
class Call:
    """One call of the document."""

    name: str
    method: str
    path: str
    example: Any = None
    parameters: tuple[str, ...] = ()
    query: dict[str, Any] = field(default_factory=dict)

    async def ask(self, client: httpx2.AsyncClient, resources: dict[str, str], body: Any = None) -> httpx2.Response:
        given = body if body is not None else self.example
        content: dict[str, Any] = {"json": given} if given is not None else {}
        if self.name == "POST /api/v1/files":
            content = {"files": {"file": ("tea.txt", b"Sencha", "text/plain")}}
        return await client.request(self.method, self.path.format(**resources), params=self.query, **content)


def calls() -> Iterator[Call]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            names = tuple(each["name"] for each in operation.get("parameters", ()) if each["in"] == "path")
            required = [
                each for each in operation.get("parameters", ()) if each["in"] == "query" and each.get("required")
            ]
            query = {each["name"]: each["example"] for each in required}
            yield Call(f"{method.upper()} {path}", method.upper(), path, content.get("example"), names, query)


CALLS = {call.name: call for call in calls()}
OWNED = [call for call in CALLS.values() if TABLE.get(call.name, (OPEN, 0))[0] == OWN]
CLOSED = [call for call in CALLS.values() if TABLE.get(call.name, (OPEN, 0))[0] != OPEN]


def names(given: list[Call]) -> list[str]:
    return [call.name for call in given]


@dataclass
class World:
    """A service with an owner, somebody else and an administrator."""

    service: RunningService
    owner: Person
    other: Person
    administrator: Person
    _made: list[Person] = field(default_factory=list)

    async def asker(self, role: str, call: Call) -> Person:
        """Return the asking user; for a call that ends an account, one that nobody else needs."""
        if role == "nobody":
            return Person(self.service.client(), "", "nobody")
        if call.name not in ENDS_SESSION:
            return {"another user": self.other, "the owner": self.owner, "an administrator": self.administrator}[role]
        person = await self.service.person()
        if role == "an administrator":
            path = f"/api/v1/admin/users/{person.id}"
            assert (await self.administrator.client.patch(path, json={"role": "admin"})).status_code == 200
        return person

    async def resources(self, call: Call) -> dict[str, str]:
        """Make what the call's path names, as the owner's; a user in it is somebody new."""
        found: dict[str, str] = {}
        if "conversation_id" in call.parameters:
            found["conversation_id"] = await self.owner.conversation()
            found["turn_id"] = (await self.owner.say(found["conversation_id"], "Hello"))["id"]
        if call.path.endswith("/continue"):
            cut = "UPDATE turns SET status = 'incomplete', finish_reason = 'length' WHERE id = cast(:id AS uuid)"
            await change(self.service.database, cut, id=found["turn_id"])
        if "user_id" in call.parameters:
            found["user_id"] = (await self.service.person()).id if "file_id" not in call.parameters else self.owner.id
        if "turn_id" in call.parameters and "conversation_id" not in call.parameters:
            found["user_id"] = self.owner.id
            found["turn_id"] = (await self.owner.say(await self.owner.conversation(), "Hello"))["id"]
            running = "UPDATE turns SET status = 'streaming' WHERE id = cast(:id AS uuid)"
            await change(self.service.database, running, id=found["turn_id"])
        if "receipt" in call.parameters:
            gone = await self.administrator.client.delete(f"/api/v1/admin/users/{(await self.service.person()).id}")
            found["receipt"] = gone.headers["Erasure-Receipt"]
        if call.path.startswith("/api/v1/auth/link"):
            path = f"/api/v1/admin/users/{(await self.service.person()).id}/reset"
            found["secret"] = (await self.administrator.client.post(path)).json()["link"].partition("#")[2]
        if "file_id" in call.parameters:
            found["file_id"] = (await add(self.owner, secrets.token_hex().encode()))["id"]
        if "token_id" in call.parameters:
            made = await self.owner.client.post("/api/v1/auth/tokens", json={"name": "x"})
            found["token_id"] = made.json()["id"]
        if "session_id" in call.parameters:
            body = {"username": self.owner.username, "password": PASSWORD}
            await self.service.client().post("/api/v1/auth/login", json=body)
            sessions = (await self.owner.client.get("/api/v1/auth/sessions")).json()["items"]
            found["session_id"] = next(each["id"] for each in sessions if not each["current"])
        return found

    def body(self, call: Call, asker: Person, resources: dict[str, str]) -> Any:
        """Return a body that fits who asks; None takes the document's example."""
        username = asker.username if asker.id else self.owner.username
        bodies: dict[str, Any] = {
            "POST /api/v1/auth/register": {"username": f"user-{secrets.token_hex(6)}", "password": PASSWORD},
            "POST /api/v1/auth/login": {"username": username, "password": PASSWORD},
            "POST /api/v1/auth/link": {"token": resources.get("secret")},
            "POST /api/v1/auth/link/password": {"token": resources.get("secret"), "password": PASSWORD},
            "POST /api/v1/admin/users": {"username": f"user-{secrets.token_hex(6)}"},
            "DELETE /api/v1/auth/me": {"password": PASSWORD},
            "POST /api/v1/import": json.loads(CHATSTREAM_PROMPT),
            "POST /api/v1/auth/password": {"current_password": PASSWORD, "new_password": "another long password"},
        }
        return bodies.get(call.name)


@pytest.fixture(scope="module")
async def world(service: RunningService) -> World:
    return World(service, await service.person(), await service.person(), await service.administrator())


def test_the_table_names_every_call_and_no_other() -> None:
    assert TABLE.keys() == CALLS.keys()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", TABLE)
async def test_everybody_gets_what_the_table_says(world: World, name: str, role: str) -> None:
    call, (kind, done) = CALLS[name], TABLE[name]
    asker = await world.asker(role, call)
    resources = await world.resources(call)
    answer = await call.ask(asker.client, resources, world.body(call, asker, resources))
    assert answer.status_code == (STATUSES[kind][ROLES.index(role)] or done), answer.text


def same_answer(one: httpx2.Response, other: httpx2.Response) -> bool:
    """Tell whether two answers are the same to the byte, but for when and to which request."""

    def seen(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
        headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
        return answer.status_code, answer.content, headers

    return seen(one) == seen(other)


@pytest.mark.parametrize("call", OWNED, ids=names(OWNED))
async def test_somebody_elses_is_what_is_missing_to_the_byte(world: World, call: Call) -> None:
    theirs = await world.resources(call)
    for asker in (world.other, world.administrator):
        missing = {name: str(new_id()) for name in theirs}
        random = {name: str(uuid4()) for name in theirs}
        assert same_answer(await call.ask(asker.client, theirs), await call.ask(asker.client, missing))
        assert same_answer(await call.ask(asker.client, theirs), await call.ask(asker.client, random))
    nobody = world.service.client()
    assert same_answer(await call.ask(nobody, theirs), await call.ask(nobody, {name: str(uuid4()) for name in theirs}))
    assert (await call.ask(world.owner.client, theirs)).status_code == TABLE[call.name][1]


@pytest.mark.parametrize("call", [call for call in OWNED if "turn_id" in call.parameters], ids=lambda call: call.name)
async def test_a_turn_is_only_found_in_its_conversation(world: World, call: Call) -> None:
    theirs = await world.resources(call)
    elsewhere = theirs | {"conversation_id": await world.owner.conversation()}
    own = theirs | {"conversation_id": await world.other.conversation()}
    missing = theirs | {"turn_id": str(new_id())}
    assert same_answer(await call.ask(world.owner.client, elsewhere), await call.ask(world.owner.client, missing))
    assert same_answer(await call.ask(world.other.client, own), await call.ask(world.other.client, missing))


async def test_what_a_body_names_has_to_be_ones_own(world: World) -> None:
    conversation_id = await world.owner.conversation()
    turn_id = (await world.owner.say(conversation_id, "Hello"))["id"]
    own = await world.other.conversation()
    await world.other.say(own, "Hello")
    path = f"/api/v1/conversations/{own}"
    for method, address, body in (
        ("POST", f"{path}/turns", {"content": "x", "stream": False, "parent_id": "{id}"}),
        ("PATCH", path, {"head_turn_id": "{id}"}),
    ):
        answers = [
            await world.other.client.request(
                method, address, json={name: given if value == "{id}" else value for name, value in body.items()}
            )
            for given in (turn_id, str(new_id()))
        ]
        assert answers[0].status_code == 404
        assert same_answer(*answers)
    assert (await world.other.client.get(path)).json()["turn_count"] == 1


async def test_an_administrators_missing_user_or_conversation_is_not_found(world: World) -> None:
    for name in (
        "PATCH /api/v1/admin/users/{user_id}",
        "DELETE /api/v1/admin/users/{user_id}",
        "POST /api/v1/admin/users/{user_id}/sessions/revoke",
        "GET /api/v1/admin/users/{user_id}",
        "POST /api/v1/admin/users/{user_id}/reset",
        "POST /api/v1/admin/users/{user_id}/turns/{turn_id}/stop",
        "GET /api/v1/admin/erasures/{receipt}",
        "GET /api/v1/admin/conversations/{conversation_id}",
        "GET /api/v1/admin/conversations/{conversation_id}/turns",
        "GET /api/v1/admin/users/{user_id}/files/{file_id}/content",
    ):
        missing = {"file_id": str(new_id()), "user_id": str(new_id()), "conversation_id": str(new_id())}
        missing |= {"turn_id": str(new_id()), "receipt": "0-999999"}
        answer = await CALLS[name].ask(world.administrator.client, missing)
        assert answer.status_code == 404, name
        assert answer.json()["code"] == "not_found"


def forged(person: Person) -> list[dict[str, str]]:
    """Return headers that look like a cookie or a token."""
    cookie = dict(person.client.cookies)["sid"]
    secret, _, signature = cookie.rpartition(".")
    return [
        {"Cookie": f"sid={secret}.{signature[::-1]}"},
        {"Authorization": "Bearer ck_" + "a" * 43},
        {"Cookie": "sid="},
        {"Cookie": f"sid={secret}"},
        {"Cookie": f"sid={cookie}x"},
        {"Cookie": f"sid={'a' * 5000}"},
        {"Cookie": "sid=\u00e9.\u00e9"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"Bearer {'a' * 5000}"},
        {"Authorization": "Bearer \u00e9"},
        {"Authorization": "Bearer ck_wrong", "Cookie": f"sid={cookie}"},
    ]


async def is_nobody(world: World, call: Call, headers: dict[str, str]) -> bool:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await call.ask(
        world.service.client(headers=raw),
        {name: "0-1" if name == "receipt" else str(new_id()) for name in call.parameters},
    )
    return answer.status_code == 401 and answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("call", CLOSED, ids=names(CLOSED))
async def test_no_call_takes_a_forged_cookie_or_a_made_up_token(world: World, call: Call) -> None:
    for headers in forged(world.owner)[:2]:
        assert await is_nobody(world, call, headers), headers


@pytest.mark.parametrize("name", ["GET /api/v1/auth/me", "POST /api/v1/conversations", "GET /api/v1/admin/users"])
async def test_what_only_looks_like_a_cookie_or_a_token_is_nobody(world: World, name: str) -> None:
    for headers in forged(world.owner):
        assert await is_nobody(world, CALLS[name], headers), headers


@pytest.fixture(scope="module")
async def disabled(world: World) -> list[httpx2.AsyncClient]:
    """The cookie and the token of somebody who may no longer sign in."""
    person = await world.service.person()
    token = (await person.client.post("/api/v1/auth/tokens", json={"name": "x"})).json()["token"]
    path = f"/api/v1/admin/users/{person.id}"
    assert (await world.administrator.client.patch(path, json={"disabled": True})).status_code == 200
    return [person.client, world.service.client(headers={"Authorization": f"Bearer {token}"})]


@pytest.mark.parametrize("call", CLOSED, ids=names(CLOSED))
async def test_a_disabled_user_is_nobody(disabled: list[httpx2.AsyncClient], call: Call) -> None:
    resources = {name: str(new_id()) for name in call.parameters}
    for client in disabled:
        assert (await call.ask(client, resources)).status_code == 401
