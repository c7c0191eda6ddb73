"""Cookies of our names that are not ours: none is taken for ours, replaced or deleted, and nobody is signed out."""

import pytest

from tests.accounts.client import AUTH, another_browser, log_in, session_of, set_cookies, status_of_me
from tests.support.running_service import PASSWORD, RunningService

FOREIGN = "s%3Aexpress.session"


async def signed_in_beside(service: RunningService, foreign: str) -> dict[str, str]:
    """Sign somebody in whose browser has a foreign `sid`; return what the answer set."""
    person = await service.person()
    answer = await log_in(service.client(), person.username, headers={"Cookie": f"sid={foreign}"})
    assert answer.status_code == 200
    return {name: cookie.value for name, cookie in set_cookies(answer).items() if "device" not in name}


@pytest.mark.parametrize("foreign", [FOREIGN, "x", "a.b", '"quoted"', "=="])
async def test_a_foreign_cookie_is_left_alone_and_ours_gets_another_name(service: RunningService, foreign: str) -> None:
    ((name, value),) = (await signed_in_beside(service, foreign)).items()
    assert name != "sid"
    assert name.startswith("sid_")
    cookies = f"sid={foreign}; {name}={value}"
    me = await service.client().get(f"{AUTH}/me", headers={"Cookie": cookies})
    assert me.status_code == 200
    assert "set-cookie" not in me.headers
    out = await service.client().post(f"{AUTH}/logout", headers={"Cookie": cookies})
    assert set_cookies(out).keys() == {name}
    assert set_cookies(out)[name].attributes["max-age"] == "0"
    assert (await service.client().get(f"{AUTH}/me", headers={"Cookie": cookies})).status_code == 401


@pytest.mark.parametrize("cookies", ["sid={foreign}; sid={own}", "sid={own}; sid={foreign}", "sid=; sid={own}"])
async def test_of_several_of_one_name_ours_counts(service: RunningService, cookies: str) -> None:
    person = await service.person()
    headers = {"Cookie": cookies.format(foreign=FOREIGN, own=session_of(person.client))}
    me = await service.client().get(f"{AUTH}/me", headers=headers)
    assert (me.status_code, me.json().get("username")) == (200, person.username)


async def test_of_two_of_ours_the_one_that_has_not_ended_counts(service: RunningService) -> None:
    person = await service.person()
    ended = session_of(person.client)
    live = session_of(await another_browser(service, person))
    await person.client.post(f"{AUTH}/logout")
    for cookies in (f"sid={ended}; sid={live}", f"sid={live}; sid={ended}"):
        me = await service.client().get(f"{AUTH}/me", headers={"Cookie": cookies})
        assert me.status_code == 200


async def test_signing_out_ends_each_of_two(service: RunningService) -> None:
    person = await service.person()
    first, second = session_of(person.client), session_of(await another_browser(service, person))
    await service.client().post(f"{AUTH}/logout", headers={"Cookie": f"sid={first}; sid={second}"})
    assert await status_of_me(service, cookie=first) == await status_of_me(service, cookie=second) == 401


async def test_signing_in_as_somebody_else_beside_a_foreign_cookie_is_that_somebody(service: RunningService) -> None:
    """The earlier session is under the same name as the foreign cookie, at another path."""
    first, second = await service.person(), await service.person()
    before = f"sid={session_of(first.client)}; sid={FOREIGN}"
    answer = await log_in(service.client(), second.username, headers={"Cookie": before})
    name, value = next((name, each.value) for name, each in set_cookies(answer).items() if "device" not in name)
    me = await service.client().get(f"{AUTH}/me", headers={"Cookie": f"{before}; {name}={value}"})
    assert me.json()["username"] == second.username
    assert await status_of_me(service, cookie=session_of(first.client)) == 401


async def test_the_spare_name_is_given_up_when_the_own_one_is_free_again(service: RunningService) -> None:
    ((spare, value),) = (await signed_in_beside(service, FOREIGN)).items()
    person = await service.person()
    answer = await log_in(service.client(), person.username, headers={"Cookie": f"{spare}={value}"})
    cookies = set_cookies(answer)
    assert cookies["sid"].value
    assert cookies[spare].attributes["max-age"] == "0"


async def test_more_cookies_than_a_browser_has_cost_no_more(service: RunningService) -> None:
    person = await service.person()
    cookies = "; ".join(["sid=x"] * 50 + [f"sid={session_of(person.client)}"])
    assert (await service.client().get(f"{AUTH}/me", headers={"Cookie": cookies})).status_code == 401


async def test_the_mark_of_a_device_is_not_replaced_either(service: RunningService) -> None:
    person = await service.person()
    headers = {"Cookie": "sid_device=another-services"}
    answer = await log_in(service.client(), person.username, headers=headers)
    (name,) = (name for name in set_cookies(answer) if "device" in name)
    assert name.startswith("sid_device_")
    assert answer.request.headers["cookie"] == headers["Cookie"]
    assert PASSWORD not in str(answer.headers)
