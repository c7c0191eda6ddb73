"""Permissions under `/v1`: every route with an id in its path, asked by another user, for what is another's."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from chatkeep.openai.routers import ROUTERS
from chatkeep.ui_messages.chats import router as ui_chats_router
from tests.openai.clients import ApiUser, api_user
from tests.support.running_service import RunningService

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
# Of a chat that a client names itself there is one for each user: tests/ui_messages/test_chats.py.
CHATS = [route for route in ui_chats_router.routes if isinstance(route, APIRoute)]
OWNED = [route for route in ROUTES if re.search(r"\{(?!model_id|call\b)", route.path)]
BODIES: dict[str, Any] = {
    "POST /v1/conversations/{conversation_id}": {"metadata": {"topic": "stolen"}},
    "POST /v1/conversations/{conversation_id}/items": {"items": [{"role": "user", "content": "Hi"}]},
}
# That ids stand in bodies, too.
NAMED_IN_BODIES: list[dict[str, Any]] = [
    {"input": "Hi", "conversation": "{conversation_id}"},
    {"input": "Hi", "conversation": {"id": "{conversation_id}"}},
    {"input": "Hi", "previous_response_id": "{response_id}"},
    {"input": "Hi", "previous_response_id": "{response_id}", "store": False},
    {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "{file_id}"}]}]},
]


LISTS = [route for route in ROUTES if any(each.name == "after" for each in route.dependant.query_params)]
# The kind of ids that a list goes by, where it is not that of its path.
LISTED = {"/v1/conversations": "conversation_id", "/v1/files": "file_id"}


def named(route: APIRoute) -> str:
    return f"{min(route.methods or ())} {route.path}"


async def resources(owner: ApiUser) -> dict[str, str]:
    """Make one of everything that a path can name."""
    made = await owner.openai.conversations.create(items=[{"role": "user", "content": "Mine"}])
    response = await owner.openai.responses.create(model="m", input="Also mine", conversation=made.id)
    completion = await owner.openai.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Mine, too"}]
    )
    items = await owner.openai.conversations.items.list(made.id, limit=1)
    file = await owner.person.client.post("/api/v1/files", files={"file": ("tea.txt", b"Sencha", "text/plain")})
    return {
        "conversation_id": made.id,
        "response_id": response.id,
        "completion_id": completion.id,
        "item_id": items.data[0].id,
        "file_id": "file-" + file.json()["id"].replace("-", ""),
    }


def missing(found: dict[str, str]) -> dict[str, str]:
    """Return ids of the same kinds that nothing has."""
    return {name: re.sub("[0-9a-f]{32}", "0" * 32, each) for name, each in found.items()}


@pytest.mark.parametrize("route", OWNED, ids=named)
async def test_what_is_anothers_is_as_if_it_were_not_there(service: RunningService, route: APIRoute) -> None:
    owner, other = await api_user(service), await api_user(service)
    found = await resources(owner)
    method, body = min(route.methods or ()), BODIES.get(named(route))
    answers = [
        await other.http.request(method, route.path.format(**ids), json=body, headers={"X-Request-ID": "same"})
        for ids in (found, missing(found))
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    # Nothing has changed, and its owner is let in.
    nobody = await service.client().request(method, route.path.format(**found), json=body)
    assert nobody.status_code == 401
    own = await owner.http.request(method, route.path.format(**found), json=body)
    assert own.status_code == 200, own.text


@pytest.mark.parametrize("body", NAMED_IN_BODIES, ids=str)
async def test_what_is_anothers_cannot_be_named_in_a_body(service: RunningService, body: dict[str, Any]) -> None:
    owner, other = await api_user(service), await api_user(service)
    found = await resources(owner)
    text = str(body)

    def filled(value: Any, ids: dict[str, str]) -> Any:
        if isinstance(value, dict):
            return {name: filled(each, ids) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each, ids) for each in value]
        return value.format(**ids) if isinstance(value, str) else value

    for ids in (found, missing(found)):
        answer = await other.http.post("/v1/responses", json={"model": "m"} | filled(body, ids))
        assert answer.status_code == 404, (text, answer.text)
    if "input_image" not in text:  # a text is no picture
        own = await owner.http.post("/v1/responses", json={"model": "m"} | filled(body, found))
        assert own.status_code == 200, own.text


@pytest.mark.parametrize("route", LISTS, ids=named)
async def test_a_list_neither_holds_what_is_anothers_nor_goes_on_from_it(
    service: RunningService, route: APIRoute
) -> None:
    owner, other = await api_user(service), await api_user(service)
    theirs, own = await resources(owner), await resources(other)
    path, kind = route.path.format(**own), LISTED.get(route.path, "item_id")
    listed = await other.http.get(path)
    assert listed.status_code == 200
    assert listed.json()["data"]
    hidden = [re.findall("[0-9a-f]{32}", each)[0] for each in theirs.values()]
    assert not [each for each in hidden if each in listed.text]
    answers = [
        await other.http.get(path, params={"after": ids[kind]}, headers={"X-Request-ID": "same"})
        for ids in (theirs, missing(theirs))
    ]
    # Files go by the order of their ids, of which it does not matter whether there is one.
    assert [answer.status_code for answer in answers] == [200 if kind == "file_id" else 404] * 2
    without_ids = [re.sub("[0-9a-f]{32}", "", answer.text) for answer in answers]
    assert without_ids[0] == without_ids[1] or kind == "file_id"
    assert not [each for each in hidden if kind == "file_id" and each in answers[0].text]


@pytest.mark.parametrize("route", [*ROUTES, *CHATS], ids=named)
async def test_every_route_wants_to_know_who_asks(service: RunningService, route: APIRoute) -> None:
    """With a body that fits and with one that does not, and with a cookie instead of a token under `/v1`."""
    person = await service.person()
    path = re.sub(r"\{[^}]*\}", "0" * 32, route.path)
    asked = {"model": "m", "input": "Hi", "messages": [{"role": "user", "content": "Hi", "parts": []}], "id": "x"}
    for client in [service.client(), *([person.client] if path.startswith("/v1") else [])]:
        for body in (asked, None) if route.body_field is not None else (None,):
            answer = await client.request(min(route.methods or ()), path, json=body)
            # Nothing is said of a body before it is known whose it is.
            assert answer.status_code == 401, (answer.status_code, answer.text)
