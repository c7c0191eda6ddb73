"""The names of the cookies over https: which other hosts cannot plant, and what an earlier version gave."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from chatkeep.accounts.browser_cookies import HOST_PREFIX, SECURE_PREFIX, BrowserCookie
from chatkeep.sessions import SessionCookie
from tests.accounts.client import AUTH, log_in, set_cookies
from tests.accounts.clocks import MovableClock
from tests.support.running_service import PASSWORD, Person, RunningService, running

FOREIGN = "s%3Aexpress.session"
GRACE_SECONDS = 31


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, cookie_secure=True, allow_guests=True) as service:
        yield service


@pytest.fixture
def clock(service: RunningService) -> MovableClock:
    clock = MovableClock()
    service.app.state.accounts = replace(service.app.state.accounts, clock=clock)
    return clock


def cookie_of(service: RunningService) -> BrowserCookie:
    cookie: BrowserCookie = service.app.state.accounts.cookie
    return cookie


def earlier(service: RunningService, value: str) -> str:
    """Return the session's cookie as the version before gave it."""
    secret = cookie_of(service).at("/").read(value)
    assert secret is not None
    keys = service.app.state.settings.signing_keys()
    return SessionCookie(keys).write(secret).partition(";")[0].partition("=")[2]


async def signed_in(service: RunningService, person: Person | None = None) -> str:
    """Sign a new person in, or one again; return the value of the session's cookie."""
    username = person.username if person else (await service.person()).username
    return set_cookies(await log_in(service.client(), username))["__Host-sid"].value


async def me(service: RunningService, cookies: str) -> httpx2.Response:
    return await service.client().get(f"{AUTH}/me", headers={"Cookie": cookies})


async def test_at_the_root_of_a_host_the_names_are_the_hosts_own(service: RunningService) -> None:
    person = await service.person()
    cookies = set_cookies(await log_in(service.client(), person.username))
    assert cookies.keys() == {"__Host-sid", "__Host-sid_device"}
    for cookie in cookies.values():
        # What a browser demands of the prefix.
        assert cookie.attributes.keys() == {"path", "httponly", "samesite", "secure"}
        assert cookie.attributes["path"] == "/"
    answer = await me(service, f"__Host-sid={cookies['__Host-sid'].value}")
    assert answer.json()["username"] == person.username
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("settings", "name", "path"),
    [
        ({"root_path": "/chat"}, "__Secure-sid", "/chat"),
        ({"cookie_name": "chatkeep"}, "__Host-chatkeep", "/"),
        ({"cookie_name": "__Host-mine"}, "__Host-mine", "/"),
        ({"cookie_name": "__Host-mine", "root_path": "/chat"}, "__Secure-mine", "/chat"),
        ({"cookie_name": "__Host-mine", "cookie_secure": False}, "mine", "/"),
        ({"cookie_secure": False}, "sid", "/"),
    ],
)
async def test_the_prefix_fits_the_path_and_the_setting(
    shared_database_url: str, settings: dict[str, Any], name: str, path: str
) -> None:
    async with running(shared_database_url, **({"cookie_secure": True} | settings)) as service:
        body = {"username": f"{name}-{path}-{len(settings)}".replace("/", "x"), "password": PASSWORD}
        answer = await service.client().post(f"{AUTH}/register", json=body)
        cookies = set_cookies(answer)
        assert cookies.keys() == {name, f"{name}_device"}
        assert {cookie.attributes["path"] for cookie in cookies.values()} == {path}
        assert (await me(service, f"{name}={cookies[name].value}")).status_code == 200
        document = (await service.client().get("/api/v1/openapi.json")).json()
        assert document["components"]["securitySchemes"]["cookie"]["name"] == name


async def test_a_cookie_of_the_old_name_is_exchanged_once(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    value = await signed_in(service, person)
    old = earlier(service, value)
    answer = await me(service, f"sid={old}")
    assert answer.json()["username"] == person.username
    cookies = set_cookies(answer)
    assert cookies["sid"].attributes["max-age"] == "0"
    new = cookies["__Host-sid"].value
    assert new != value
    clock.advance(GRACE_SECONDS)
    assert (await me(service, f"sid={old}")).status_code == 401
    assert (await me(service, f"__Host-sid={value}")).status_code == 401
    again = await me(service, f"__Host-sid={new}")
    assert again.json()["username"] == person.username
    assert "set-cookie" not in again.headers


async def test_a_remembered_session_is_remembered_under_its_new_name(service: RunningService) -> None:
    person = await service.person()
    given = set_cookies(await log_in(service.client(), person.username, remember=True))["__Host-sid"]
    cookies = set_cookies(await me(service, f"sid={earlier(service, given.value)}"))
    assert abs(int(cookies["__Host-sid"].attributes["max-age"]) - int(given.attributes["max-age"])) < 300


async def test_a_guest_keeps_their_conversations(service: RunningService) -> None:
    begun = await service.client().post("/api/v1/conversations", json={"title": "mine"})
    old = earlier(service, set_cookies(begun)["__Host-sid"].value)
    answer = await me(service, f"sid={old}")
    new = set_cookies(answer)["__Host-sid"].value
    listed = await service.client().get("/api/v1/conversations", headers={"Cookie": f"__Host-sid={new}"})
    assert [each["title"] for each in listed.json()["items"]] == ["mine"]


async def test_requests_at_the_same_time_get_one_new_cookie_between_them(service: RunningService) -> None:
    old = earlier(service, await signed_in(service))
    answers = await asyncio.gather(*(me(service, f"sid={old}") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    given = [found["__Host-sid"] for found in map(set_cookies, answers) if "__Host-sid" in found]
    assert len(given) == 1


async def test_a_mark_of_a_device_is_exchanged_at_the_next_sign_in(service: RunningService) -> None:
    person = await service.person()
    given = set_cookies(await log_in(service.client(), person.username))["__Host-sid_device"].value
    mark = service.app.state.accounts.device_cookie.cookie
    content = mark.at("/").read(given)
    old = mark.earlier.write(content).partition(";")[0]
    cookies = set_cookies(await log_in(service.client(), person.username, headers={"Cookie": old}))
    assert mark.at("/").read(cookies["__Host-sid_device"].value) == content
    assert cookies["sid_device"].attributes["max-age"] == "0"


async def test_nothing_given_now_is_worth_anything_under_another_name(service: RunningService) -> None:
    """A stranger has a session of their own, and another host of the domain to plant it from."""
    stranger = await signed_in(service)
    for name in ("sid", "__Secure-sid", *cookie_of(service).at("/").spare_names):
        assert (await me(service, f"{name}={stranger}")).status_code == (
            200 if name.startswith(f"{HOST_PREFIX}sid_") else 401
        )


@pytest.mark.parametrize("order", ["sid={theirs}; __Host-sid={own}", "__Host-sid={own}; sid={theirs}"])
async def test_a_planted_cookie_never_wins_nor_signs_anyone_out(service: RunningService, order: str) -> None:
    person, stranger = await service.person(), await service.person()
    own, theirs = await signed_in(service, person), earlier(service, await signed_in(service, stranger))
    answer = await me(service, order.format(own=own, theirs=theirs))
    assert answer.json()["username"] == person.username
    assert "set-cookie" not in answer.headers
    many = "; ".join([f"sid={theirs}"] * 50 + [f"__Host-sid={own}"])
    assert (await me(service, many)).json()["username"] == person.username


async def test_a_planted_cookie_is_not_believed_when_the_own_session_is_over(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    own, theirs = await signed_in(service, person), earlier(service, await signed_in(service, stranger))
    cookies = f"sid={theirs}; __Host-sid={own}"
    assert (await me(service, cookies)).json()["username"] == person.username
    await service.client().post(f"{AUTH}/logout", headers={"Cookie": f"__Host-sid={own}"})
    answer = await me(service, cookies)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_of_old_cookies_of_two_users_none_is_believed(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    own, theirs = [earlier(service, await signed_in(service, each)) for each in (person, stranger)]
    for cookies in (f"sid={own}; sid={theirs}", f"sid={theirs}; sid={own}"):
        answer = await me(service, cookies)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    # Nothing has ended: what is believed is up to the next request.
    assert (await me(service, f"sid={own}")).json()["username"] == person.username


async def test_of_old_cookies_one_that_is_over_does_not_count(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    value = await signed_in(service, stranger)
    own, theirs = earlier(service, await signed_in(service, person)), earlier(service, value)
    await service.client().post(f"{AUTH}/logout", headers={"Cookie": f"__Host-sid={value}"})
    assert (await me(service, f"sid={theirs}; sid={own}")).json()["username"] == person.username


async def test_signing_out_ends_what_is_there_under_each_name(service: RunningService) -> None:
    person = await service.person()
    new, old = await signed_in(service, person), earlier(service, await signed_in(service, person))
    answer = await service.client().post(f"{AUTH}/logout", headers={"Cookie": f"__Host-sid={new}; sid={old}"})
    assert {name: each.attributes["max-age"] for name, each in set_cookies(answer).items()} == {
        "__Host-sid": "0",
        "sid": "0",
    }
    assert (await me(service, f"sid={old}")).status_code == (await me(service, f"__Host-sid={new}")).status_code == 401


async def test_signing_in_as_somebody_else_gives_up_the_old_cookie(service: RunningService) -> None:
    person, old = await service.person(), earlier(service, await signed_in(service))
    answer = await log_in(service.client(), person.username, headers={"Cookie": f"sid={old}"})
    cookies = set_cookies(answer)
    assert cookies["sid"].attributes["max-age"] == "0"
    assert (await me(service, f"__Host-sid={cookies['__Host-sid'].value}")).json()["username"] == person.username
    assert (await me(service, f"sid={old}")).status_code == 401


async def test_a_foreign_cookie_of_the_old_name_is_left_alone(service: RunningService) -> None:
    person = await service.person()
    answer = await log_in(service.client(), person.username, headers={"Cookie": f"sid={FOREIGN}"})
    assert set_cookies(answer).keys() == {"__Host-sid", "__Host-sid_device"}


async def test_a_foreign_cookie_of_the_new_name_moves_ours_to_another(service: RunningService) -> None:
    person = await service.person()
    foreign = f"__Host-sid={FOREIGN}"
    cookies = set_cookies(await log_in(service.client(), person.username, headers={"Cookie": foreign}))
    (name,) = (each for each in cookies if "device" not in each)
    assert name.startswith("__Host-sid_")
    both = f"{foreign}; {name}={cookies[name].value}"
    assert (await me(service, both)).json()["username"] == person.username
    out = await service.client().post(f"{AUTH}/logout", headers={"Cookie": both})
    assert set_cookies(out).keys() == {name}


async def test_a_name_that_had_the_prefix_before_is_exchanged_as_well(shared_database_url: str) -> None:
    async with running(shared_database_url, cookie_secure=True, cookie_name="__Host-mine") as service:
        body = {"username": "prefixed-before", "password": PASSWORD}
        given = set_cookies(await service.client().post(f"{AUTH}/register", json=body))["__Host-mine"].value
        old = earlier(service, given)
        cookies = set_cookies(await me(service, f"__Host-mine={old}"))
        assert cookies.keys() >= {"__Host-mine"}
        assert (await me(service, f"__Host-mine={cookies['__Host-mine'].value}")).status_code == 200


def test_each_prefix_is_for_its_own_path() -> None:
    cookie = BrowserCookie(["a key of thirty-two characters!!"], name="sid", salt="test", secure=True)
    assert (cookie.at("/").name, cookie.at("/chat").name) == (f"{HOST_PREFIX}sid", f"{SECURE_PREFIX}sid")
    assert cookie.at("/chat").read(cookie.at("/").write("secret").partition(";")[0].partition("=")[2]) is None
