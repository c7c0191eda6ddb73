"""Lists, a page at a time: every list of the API, with good cursors, bad ones and another list's."""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx2
import pytest

from chatkeep.errors import InvalidCursor
from chatkeep.http.pages import cursor_of_id, decode_cursor, encode_cursor
from chatkeep.ids import new_id
from tests.chat.files.pictures import add
from tests.http.test_bodies import code_of
from tests.support.databases import run
from tests.support.running_service import PASSWORD, Person, RunningService

ID = UUID("0198c0de-0000-7000-8000-000000000001")
TIME = datetime(2026, 1, 31, 9, 30, 0, 123456, tzinfo=UTC)


@dataclass
class List:
    """One list of the API with at least three rows, and how it grows."""

    person: Person
    path: str
    grow: Callable[[], Awaitable[object]]
    params: dict[str, str] = field(default_factory=dict)
    # Where new rows are put: "first" is above the rows there are, "last" is below them.
    new_rows: str = "first"

    async def get(self, **params: Any) -> httpx2.Response:
        return await self.person.client.get(self.path, params=self.params | params)

    async def page(self, **params: Any) -> dict[str, Any]:
        answer = await self.get(**params)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        assert page.keys() == {"items", "next_cursor"}
        return page

    async def ids(self, limit: int = 200) -> list[str]:
        """Return the ids of the whole list, read `limit` at a time."""
        ids, cursor = [], None
        while True:
            page = await self.page(limit=limit, **({"cursor": cursor} if cursor else {}))
            assert len(page["items"]) <= limit
            ids += [item["id"] for item in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                return ids


LISTS = (
    *("sessions", "tokens", "conversations", "turns", "turns asc", "siblings", "users", "history"),
    *("any turns", "any turns asc", "files"),
)


@pytest.fixture(scope="module")
async def lists(service: RunningService) -> dict[str, List]:
    person, administrator = await service.person(), await service.administrator()
    conversation_id = await person.conversation()

    async def sign_in() -> None:
        await service.client().post("/api/v1/auth/login", json={"username": person.username, "password": PASSWORD})

    async def make_token() -> None:
        await person.client.post("/api/v1/auth/tokens", json={"name": "a token"})

    async def talk() -> None:
        await person.say(conversation_id, "Hello")

    turns = f"conversations/{conversation_id}/turns"
    elsewhere = f"/api/v1/conversations/{await person.conversation()}/turns"
    first = (await person.client.post(elsewhere, json={"content": "Hello", "stream": False})).json()["id"]

    async def talk_again() -> None:
        await person.client.post(f"{elsewhere}/{first}/regenerate", json={"stream": False})

    async def send_file() -> None:
        await add(person, secrets.token_hex().encode(), "tea.txt")

    found = {
        "files": List(person, "/api/v1/files", send_file),
        "sessions": List(person, "/api/v1/auth/sessions", sign_in),
        "tokens": List(person, "/api/v1/auth/tokens", make_token),
        "conversations": List(person, "/api/v1/conversations", person.conversation),
        "turns": List(person, f"/api/v1/{turns}", talk),
        "turns asc": List(person, f"/api/v1/{turns}", talk, {"order": "asc"}, new_rows="last"),
        "siblings": List(person, f"{elsewhere}/{first}/siblings", talk_again, new_rows="last"),
        "users": List(administrator, "/api/v1/admin/users", service.person),
        "history": List(administrator, "/api/v1/admin/history", talk),
        "any turns": List(administrator, f"/api/v1/admin/{turns}", talk),
        "any turns asc": List(administrator, f"/api/v1/admin/{turns}", talk, {"order": "asc"}, new_rows="last"),
    }
    for each in found.values():
        while len(await each.ids()) < 4:
            await each.grow()
    return found


def test_every_list_of_the_api_is_here(service: RunningService) -> None:
    paths = {
        path
        for path, item in service.app.openapi()["paths"].items()
        if any(each["name"] == "cursor" for each in item.get("get", {}).get("parameters", ()))
    }
    tried_where_they_are_tested = {"/api/v1/auth/me/access-log", "/api/v1/admin/audit", "/api/v1/search"}
    assert paths - tried_where_they_are_tested == {
        "/api/v1/auth/sessions",
        "/api/v1/auth/tokens",
        "/api/v1/conversations",
        "/api/v1/files",
        "/api/v1/conversations/{conversation_id}/turns",
        "/api/v1/conversations/{conversation_id}/turns/{turn_id}/siblings",
        "/api/v1/admin/users",
        "/api/v1/admin/history",
        "/api/v1/admin/conversations/{conversation_id}/turns",
    }


@pytest.mark.parametrize("name", LISTS)
async def test_pages_together_are_the_list(lists: dict[str, List], name: str) -> None:
    whole = await lists[name].ids()
    assert len(set(whole)) == len(whole) >= 4
    for limit in (1, 2, 3, len(whole), len(whole) + 1):
        assert await lists[name].ids(limit) == whole


@pytest.mark.parametrize("name", LISTS)
async def test_a_last_page_that_is_full_has_no_cursor(lists: dict[str, List], name: str) -> None:
    whole = await lists[name].ids()
    assert (await lists[name].page(limit=len(whole)))["next_cursor"] is None


@pytest.mark.parametrize("name", LISTS)
async def test_nothing_is_skipped_or_repeated_while_rows_are_added(lists: dict[str, List], name: str) -> None:
    each = lists[name]
    before = await each.ids()
    page = await each.page(limit=1)
    seen = [item["id"] for item in page["items"]]
    while (cursor := page["next_cursor"]) is not None:
        if len(seen) <= 3:
            await each.grow()
        page = await each.page(limit=1, cursor=cursor)
        seen += [item["id"] for item in page["items"]]
    assert len(set(seen)) == len(seen)
    if each.new_rows == "first":
        assert seen == before
    else:
        assert seen[: len(before)] == before
        assert seen == await each.ids()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "1.0", "+1", " 1", "1e2", "0x1", "١", "true", "", "null", "9" * 30, "1,2", "\x00"]
)
async def test_a_limit_out_of_bounds_is_an_invalid_request(lists: dict[str, List], name: str, limit: str) -> None:
    if name in ("users", "tokens") or limit in ("0", "201"):  # the type is one for all; the bounds are asked of each
        assert code_of(await lists[name].get(limit=limit), 422) == "invalid_request"


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


BAD_CURSORS = [
    "",
    "x",
    "null",
    "\x00",
    "a\x00b",
    "あ",
    "%",
    "====",
    "a" * 512,
    "a" * 513,
    "9" * 300,
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode(b"[" * 300).decode(),
    base64.urlsafe_b64encode(b"[1e999]").decode(),
    cursor(),
    cursor("?"),
    cursor("?", str(ID)),
    cursor("", str(ID)),
    base64.urlsafe_b64encode(json.dumps({"users": str(ID)}).encode()).decode(),
    base64.urlsafe_b64encode(json.dumps(str(ID)).encode()).decode(),
]


@pytest.mark.parametrize("name", LISTS[:-2])  # the last two are read as those before them
async def test_a_bad_cursor_is_an_invalid_cursor(lists: dict[str, List], name: str) -> None:
    for bad in BAD_CURSORS:
        assert code_of(await lists[name].get(cursor=bad), 422) == "invalid_cursor", bad
    for bad in ("%00", "%ED%A0%80", "%FF", "%C0%80"):
        answer = await lists[name].person.client.get(f"{lists[name].path}?cursor={bad}")
        assert code_of(answer, 422) == "invalid_cursor", bad


PARTS: dict[str, list[list[object]]] = {
    "sessions": [["not an id"], [1], [None], [[]], [str(ID), str(ID)], ["0" * 31], [10**200]],
    "conversations": [
        [TIME.isoformat()],
        [str(ID), TIME.isoformat()],
        [TIME.isoformat(), "not an id"],
        ["2026-01-31T09:30:00", str(ID)],
        ["2026-01-31", str(ID)],
        ["0001-01-01T00:00:00+23:59", str(ID)],
        ["9999-12-31T23:59:59-23:59", str(ID)],
        ["99999-12-31T23:59:59Z", str(ID)],
        [0, str(ID)],
        [10**200, str(ID)],
        ["\x00", str(ID)],
    ],
    "turns asc": [["not a number"], [-1], [2**31], [2**31 - 1], [10**200], [1.5], [None], [[]], ["\x00"]],
}


@pytest.mark.parametrize("name", PARTS)
async def test_a_cursor_of_the_right_list_with_wrong_parts_is_an_invalid_cursor(
    lists: dict[str, List], name: str
) -> None:
    own = (await lists[name].page(limit=1))["next_cursor"]
    list_name = json.loads(base64.urlsafe_b64decode(own + "=" * (-len(own) % 4)))[0]
    for parts in PARTS[name]:
        answer = await lists[name].get(cursor=cursor(list_name, *parts))
        assert code_of(answer, 422) == "invalid_cursor", parts


async def test_a_cursor_of_another_list_is_an_invalid_cursor(lists: dict[str, List]) -> None:
    cursors = {name: (await each.page(limit=1))["next_cursor"] for name, each in lists.items()}
    for name, each in lists.items():
        for other, foreign in cursors.items():
            answer = await each.get(cursor=foreign, limit=1)
            if other.removeprefix("any ") == name.removeprefix("any "):
                assert answer.status_code == 200, (name, other)
            else:
                assert code_of(answer, 422) == "invalid_cursor", (name, other)


async def test_a_cursor_of_another_conversation_is_an_invalid_cursor(lists: dict[str, List]) -> None:
    person = lists["turns"].person
    other = await person.conversation()
    for order in ("asc", "desc"):
        path = lists["turns"].path
        foreign = (await person.client.get(path, params={"limit": 1, "order": order})).json()["next_cursor"]
        answer = await person.client.get(
            f"/api/v1/conversations/{other}/turns", params={"order": order, "cursor": foreign}
        )
        assert code_of(answer, 422) == "invalid_cursor"


async def test_conversations_of_one_moment_are_neither_skipped_nor_repeated(
    service: RunningService, shared_database_url: str
) -> None:
    person = await service.person()
    ids = {await person.conversation() for _ in range(7)}
    await run(
        shared_database_url,
        f"UPDATE conversations SET last_turn_at = '2026-01-31T09:30:00Z' WHERE user_id = '{person.id}'",
    )
    found = List(person, "/api/v1/conversations", person.conversation)
    for limit in (1, 2, 3):
        assert await found.ids(limit) == sorted(ids, reverse=True)


@pytest.mark.parametrize("position", [(), ("text", 5, ID, TIME), ("あ\u2028",)])
def test_a_cursor_comes_back_as_what_it_was_made_of(position: tuple[object, ...]) -> None:
    kinds = [datetime.fromisoformat if isinstance(each, datetime) else type(each) for each in position]
    assert decode_cursor(encode_cursor(*position, of="a list"), *kinds, of="a list") == position


def test_a_cursor_needs_no_escaping_in_a_query() -> None:
    for _ in range(50):
        assert encode_cursor(new_id(), of="users").replace("-", "").replace("_", "").isalnum()


def test_a_time_in_a_cursor_is_read_in_utc() -> None:
    there = TIME.astimezone(timezone(timedelta(hours=9)))
    (found,) = decode_cursor(encode_cursor(there), datetime.fromisoformat)
    assert isinstance(found, datetime)
    assert (found, found.utcoffset()) == (TIME, timedelta(0))


def test_no_cursor_is_no_id() -> None:
    assert cursor_of_id(None, of="users") is None
    assert cursor_of_id(encode_cursor(ID, of="users"), of="users") == ID
    with pytest.raises(InvalidCursor):
        cursor_of_id(encode_cursor(ID, of="users"), of="tokens")
