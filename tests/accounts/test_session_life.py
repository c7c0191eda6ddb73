"""How sessions live, are listed, get new ids and end; time passes by the service's clock."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chatkeep.accounts.users import change_account
from chatkeep.app.maintenance import cleanup
from chatkeep.config import DAY_SECONDS
from tests.accounts.client import (
    AUTH,
    NEW_PASSWORD,
    another_browser,
    change,
    code_of,
    log_in,
    rows,
    session_of,
    set_cookies,
    status_of_me,
    value,
)
from tests.accounts.clocks import MovableClock
from tests.support.running_service import PASSWORD, Person, RunningService, running

IDLE_SECONDS = 14 * DAY_SECONDS
MAX_SECONDS = 90 * DAY_SECONDS
SEEN = "SELECT last_seen_at FROM login_sessions WHERE user_id = cast(:id AS uuid)"


async def test_an_unused_session_ends(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    clock.advance(IDLE_SECONDS - 1)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    clock.advance(IDLE_SECONDS)
    assert code_of(await person.client.get(f"{AUTH}/me")) == (401, "not_authenticated")
    clock.advance(-1)  # what is over stays over only if time does not go back: nothing was written
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200


async def test_use_keeps_a_session_alive_until_its_absolute_end(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    for _ in range(8):
        clock.advance(11 * DAY_SECONDS)
        assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    clock.advance(2 * DAY_SECONDS - 1)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    clock.advance(1)
    assert code_of(await person.client.get(f"{AUTH}/me")) == (401, "not_authenticated")


async def test_being_seen_is_written_at_most_once_a_minute(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    seen = await _seen(service, person)
    clock.advance(59)
    await asyncio.gather(*(person.client.get(f"{AUTH}/me") for _ in range(5)))
    assert await _seen(service, person) == seen
    clock.advance(1)
    await asyncio.gather(*(person.client.get(f"{AUTH}/me") for _ in range(5)))
    assert await _seen(service, person) == clock()
    activity = "SELECT last_seen_at FROM user_activity WHERE user_id = cast(:id AS uuid)"
    assert await value(service.database, activity, id=person.id) == clock()


async def test_a_short_idle_limit_slides_too(database_url: str) -> None:
    async with running(database_url, session_idle_seconds=60, session_max_seconds=3600) as service:
        clock = _with_clock(service)
        person = await service.person()
        for _ in range(10):
            clock.advance(40)
            assert (await person.client.get(f"{AUTH}/me")).status_code == 200
        clock.advance(60)
        assert (await person.client.get(f"{AUTH}/me")).status_code == 401


async def test_what_is_over_is_swept_away_and_nothing_else(database_url: str) -> None:
    async with running(database_url) as service:
        clock = _with_clock(service)
        idle, alive = await service.person(), await service.person()
        clock.advance(IDLE_SECONDS - 10)
        await alive.client.get(f"{AUTH}/me")
        await service.person()
        clock.advance(20)
        await cleanup(service.app.state.accounts)
        left = {row.user_id for row in await rows(service.database, "SELECT user_id::text FROM login_sessions")}
        assert idle.id not in left
        assert alive.id in left
        assert len(left) == 2


async def test_a_session_cannot_outlive_its_row(service: RunningService) -> None:
    person = await service.person()
    await change(service.database, "DELETE FROM login_sessions WHERE user_id = cast(:id AS uuid)", id=person.id)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401


async def test_sessions_are_listed_newest_first_with_where_they_are(
    service: RunningService, clock: MovableClock
) -> None:
    person = await service.person()
    clock.advance(60)
    other = service.client(headers={"User-Agent": "Another Browser/1.0 " + "x" * 1000})
    await log_in(other, person.username)
    answer = await person.client.get(f"{AUTH}/sessions")
    newest, oldest = answer.json()["items"]
    assert set(newest) == {"id", "created_at", "last_seen_at", "expires_at", "ip", "user_agent", "current"}
    assert (newest["current"], oldest["current"]) == (False, True)
    assert newest["user_agent"].startswith("Another Browser/1.0 ")
    assert len(newest["user_agent"]) == 400
    assert newest["ip"] == "127.0.0.1"
    assert _time(newest["expires_at"]).timestamp() == clock().timestamp() + IDLE_SECONDS
    assert "digest" not in answer.text
    assert session_of(other).partition(".")[0] not in answer.text


async def test_the_list_of_sessions_is_in_pages_and_leaves_out_what_is_over(
    service: RunningService, clock: MovableClock
) -> None:
    person = await service.person()
    clock.advance(IDLE_SECONDS)
    clients = [await another_browser(service, person) for _ in range(5)]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await clients[0].get(f"{AUTH}/sessions", params=params)).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found)) == 5
    assert found == sorted(found, reverse=True)
    answer = await clients[0].get(f"{AUTH}/sessions", params={"cursor": "nonsense"})
    assert code_of(answer) == (422, "invalid_cursor")


async def test_one_session_can_be_ended_from_another(service: RunningService) -> None:
    person = await service.person()
    other = await another_browser(service, person)
    (there,) = [
        item["id"] for item in (await person.client.get(f"{AUTH}/sessions")).json()["items"] if not item["current"]
    ]
    assert (await person.client.delete(f"{AUTH}/sessions/{there}")).status_code == 204
    assert (await other.get(f"{AUTH}/me")).status_code == 401
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    assert code_of(await person.client.delete(f"{AUTH}/sessions/{there}")) == (404, "not_found")


async def test_somebody_elses_session_is_not_there(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    (item,) = (await person.client.get(f"{AUTH}/sessions")).json()["items"]
    missing = await stranger.client.delete(f"{AUTH}/sessions/01890a5d-ac96-774b-bcce-b302099a8057")
    others = await stranger.client.delete(f"{AUTH}/sessions/{item['id']}")
    assert code_of(others) == (404, "not_found")
    assert others.content == missing.content
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200


async def test_all_other_sessions_can_be_ended_at_once(service: RunningService) -> None:
    person, stranger = await service.person(), await service.person()
    others = [await another_browser(service, person) for _ in range(3)]
    assert (await person.client.delete(f"{AUTH}/sessions")).status_code == 204
    assert [(await other.get(f"{AUTH}/me")).status_code for other in others] == [401] * 3
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    assert (await stranger.client.get(f"{AUTH}/me")).status_code == 200


async def test_a_change_of_role_gives_the_session_a_new_id_on_its_next_request(
    service: RunningService, clock: MovableClock
) -> None:
    person = await service.person()
    await log_in(person.client, person.username, remember=True)
    clock.advance(DAY_SECONDS)
    old = session_of(person.client)
    await _change_role(service, person, "admin")
    answer = await person.client.get(f"{AUTH}/me")
    assert answer.json()["role"] == "admin"
    cookie = set_cookies(answer)["sid"]
    assert cookie.value != old
    assert cookie.attributes["max-age"] == str(MAX_SECONDS - DAY_SECONDS)
    clock.advance(29)
    assert await status_of_me(service, cookie=old) == 200
    clock.advance(2)
    assert await status_of_me(service, cookie=old) == 401
    answer = await person.client.get(f"{AUTH}/me")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    # The absolute end is where it was.
    for _ in range(8):
        clock.advance(11 * DAY_SECONDS)
        assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    clock.advance(DAY_SECONDS)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 401


async def test_requests_at_the_same_time_get_one_new_id_between_them(service: RunningService) -> None:
    person = await service.person()
    old = session_of(person.client)
    await _change_role(service, person, "admin")
    headers = {"Cookie": f"sid={old}"}
    answers = await asyncio.gather(*(service.client().get(f"{AUTH}/me", headers=headers) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    (given,) = [set_cookies(answer)["sid"].value for answer in answers if "sid" in set_cookies(answer)]
    assert await status_of_me(service, cookie=given) == 200


async def test_a_second_change_of_role_at_once_does_not_shorten_the_new_session(
    service: RunningService, clock: MovableClock
) -> None:
    person = await service.person()
    old = session_of(person.client)
    await _change_role(service, person, "admin")
    await person.client.get(f"{AUTH}/me")
    await _change_role(service, person, "user")
    late = await service.client().get(f"{AUTH}/me", headers={"Cookie": f"sid={old}"})
    assert late.status_code == 200
    assert "set-cookie" not in late.headers
    await person.client.get(f"{AUTH}/me")
    clock.advance(DAY_SECONDS)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200


async def test_ending_the_others_right_after_a_change_of_role_keeps_the_new_id(
    service: RunningService, clock: MovableClock
) -> None:
    person = await service.person()
    other = await another_browser(service, person)
    await _change_role(service, person, "admin")
    assert (await person.client.delete(f"{AUTH}/sessions")).status_code == 204
    clock.advance(DAY_SECONDS)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200
    assert (await other.get(f"{AUTH}/me")).status_code == 401


async def test_one_answer_sets_one_cookie_of_a_name(service: RunningService) -> None:
    """A new id for the new role, and at once another for the new password."""
    person = await service.person()
    await _change_role(service, person, "admin")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = await person.client.post(f"{AUTH}/password", json=body)
    assert answer.status_code == 204
    cookie = set_cookies(answer)["sid"].value  # which fails where there are two
    assert await status_of_me(service, cookie=cookie) == 200


async def test_the_list_shows_the_new_id_as_the_current_one(service: RunningService) -> None:
    person = await service.person()
    await _change_role(service, person, "admin")
    first = (await person.client.get(f"{AUTH}/sessions")).json()["items"]
    assert [item["current"] for item in first] == [True, False]
    again = (await person.client.get(f"{AUTH}/sessions")).json()["items"]
    assert [item["id"] for item in again if item["current"]] == [first[0]["id"]]


def _with_clock(service: RunningService) -> MovableClock:
    clock = MovableClock()
    service.app.state.accounts = replace(service.app.state.accounts, clock=clock)
    return clock


async def _seen(service: RunningService, person: Person) -> datetime:
    seen: datetime = await value(service.database, SEEN, id=person.id)
    return seen


async def _change_role(service: RunningService, person: Person, role: str) -> None:
    async with service.database.transaction() as connection:
        # Never the last one: the service has made an administrator of its own.
        await change_account(connection, service.audit, UUID(person.id), role=role)


def _time(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)
