"""The console's users: found and changed by administrators; nobody else sees any of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect

from chatkeep.errors import DatabaseUnavailable
from chatkeep.web import console as console_pages
from chatkeep.web import router as chat_pages
from tests.support.running_service import Person, RunningService
from tests.web.browser import PHONE, Tab, browsing
from tests.web.test_accessibility import assert_accessible


@pytest.fixture
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture
async def console(browser: Browser, service: RunningService, administrator: Person) -> AsyncIterator[Tab]:
    async with browsing(browser, service, administrator) as tab:
        yield tab


async def listed(administrator: Person, username: str) -> list[dict[str, object]]:
    answer = await administrator.client.get("/api/v1/admin/users", params={"q": username})
    return list(answer.json()["items"])


async def find(console: Tab, username: str) -> None:
    await console.page.get_by_label("Search").fill(username)
    await expect(console.get("#list li")).to_have_count(1)


async def act(console: Tab, username: str, item: str, *, reason: str = "") -> None:
    await console.choose(console.page.get_by_role("button", name=f"Menu of “{username}”"), item)
    if reason:
        await console.page.get_by_label("Reason").fill(reason)


async def confirm(console: Tab, name: str) -> None:
    await console.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


async def test_users_are_found_and_disabled_with_a_reason(console: Tab, administrator: Person, person: Person) -> None:
    await console.open("/console")
    await find(console, person.username)
    row = console.get("#list li")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(person.username)
    await act(console, person.username, "Disable", reason="退職 😀")
    await confirm(console, "Disable")
    await expect(row.get_by_text("Disabled")).to_be_visible()
    assert (await person.client.get("/api/v1/auth/me")).status_code == 401
    query = {"subject_id": person.id, "action": "user_disabled"}
    events = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"]
    assert [each["reason"] for each in events] == ["退職 😀"]


async def test_roles_sessions_and_holds_are_changed(console: Tab, administrator: Person, person: Person) -> None:
    await console.open("/console")
    await find(console, person.username)
    for item, field, value in (
        ("Make an administrator", "role", "admin"),
        ("Take administrator's rights away", "role", "user"),
        ("Begin legal hold", "legal_hold", True),
    ):
        await act(console, person.username, item)
        await confirm(console, item)
        await expect(console.get(".toast").last).to_contain_text("Saved.")
        assert (await listed(administrator, person.username))[0][field] == value
        await console.get(".toast").get_by_role("button", name="Close").click()
    await act(console, person.username, "Sign out everywhere")
    await confirm(console, "Sign out everywhere")
    await expect(console.get(".toast").last).to_contain_text("Signed out everywhere")
    assert (await person.client.get("/api/v1/auth/me")).status_code == 401


async def test_what_takes_a_while_shows_it(console: Tab, administrator: Person, person: Person) -> None:
    go_on = asyncio.Event()

    async def late(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await console.open("/console")
    await find(console, person.username)
    await expect(console.get("#live")).to_have_text("Listed: 1")
    await console.page.route(f"**/users/{person.id}", late)
    await act(console, person.username, "Disable")
    await confirm(console, "Disable")
    await expect(console.get("#list li .spinner")).to_be_visible()
    go_on.set()
    await expect(console.get("#list li").get_by_text("Disabled")).to_be_visible()
    await expect(console.get("#list li .spinner")).to_have_count(0)


async def test_users_are_narrowed_by_role_and_by_whether_they_may_sign_in(
    console: Tab, administrator: Person, person: Person
) -> None:
    await administrator.client.patch(f"/api/v1/admin/users/{person.id}", json={"disabled": True})
    await console.open("/console")
    rows = console.get("#list li")
    for field, fits, does_not in (("Role", "user", "admin"), ("Sign in", "true", "false")):
        await find(console, person.username)
        await console.page.get_by_label(field).select_option(does_not)
        await expect(console.get("#state")).to_contain_text("Nobody found")
        await console.page.get_by_label(field).select_option(fits)
        await expect(rows).to_have_count(1)


async def test_a_user_is_deleted_only_by_their_typed_name(console: Tab, administrator: Person, person: Person) -> None:
    await console.open("/console")
    await find(console, person.username)
    for typed, left in (("somebody else", 1), (person.username, 0)):
        await act(console, person.username, "Delete user")
        await console.page.get_by_label("Type the username").fill(typed)
        await confirm(console, "Delete user")
        await expect(console.get("#list li")).to_have_count(left)
        await expect(console.get(".toast").last).to_contain_text("another name" if left else "Deleted")
        assert len(await listed(administrator, person.username)) == left
    await expect(console.page.get_by_label("Search")).to_be_focused()


async def test_a_refusal_says_what_to_do(console: Tab, administrator: Person, person: Person) -> None:
    console.expected.append("status of 409")
    change = {"legal_hold": True}
    await administrator.client.patch(f"/api/v1/admin/users/{person.id}", json=change)
    await console.open("/console")
    await find(console, person.username)
    await act(console, person.username, "Delete user")
    await console.page.get_by_label("Type the username").fill(person.username)
    await confirm(console, "Delete user")
    await expect(console.get(".toast.bad")).to_contain_text("End the hold first")


@pytest.mark.parametrize("path", ["/console", "/console/history"])
async def test_others_are_told_that_it_is_none_of_theirs(tab: Tab, path: str) -> None:
    tab.expected.append("status of 403")
    await tab.open(path)
    await expect(tab.get("h1:visible")).to_have_text("This page is for administrators")
    await expect(tab.get("#list, #filters")).to_have_count(0)
    assert not [each for each in tab.requested if "/api/v1/admin" in each.url]
    await tab.open("/account")
    await expect(tab.page.get_by_role("link", name="Console")).to_have_count(0)


async def test_who_is_no_longer_an_administrator_is_told_and_sees_nothing_more(
    browser: Browser, service: RunningService, administrator: Person, person: Person
) -> None:
    account = f"/api/v1/admin/users/{person.id}"
    await administrator.client.patch(account, json={"role": "admin"})
    await person.client.get("/api/v1/auth/me")  # which gives the session its new id
    async with browsing(browser, service, person) as tab:
        tab.expected.append("status of 403")
        await tab.open("/console")
        await expect(tab.get("#list li").first).to_be_visible()
        await administrator.client.patch(account, json={"role": "user"})
        await tab.page.get_by_label("Search").fill("a")
        await expect(tab.get("#state .problem")).to_contain_text("no longer an administrator")
        await expect(tab.get("#list li")).to_have_count(0)
        await expect(tab.get("#live")).to_be_empty()
        await tab.page.reload()
        await expect(tab.get("h1:visible")).to_have_text("This page is for administrators")


async def test_a_page_says_that_the_database_is_away(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("Gone.")

    tab.expected += ["status of 503", "status of 403"]
    for module, path in ((chat_pages, "/"), (console_pages, "/console/audit")):
        monkeypatch.setattr(module, "require_identity", away)
        await tab.open(path)
        await expect(tab.get("h1")).to_have_text("The service cannot be reached just now")
        await expect(tab.page.get_by_role("link", name="Try again")).to_be_visible()
        await assert_accessible(tab)
    monkeypatch.undo()
    await tab.page.get_by_role("link", name="Try again").click()
    await expect(tab.get("h1:visible")).to_have_text("This page is for administrators")
    await assert_accessible(tab)


async def test_who_is_not_signed_in_is_asked_to(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, None) as tab:
        await tab.open("/console")
        await expect(tab.get("#sign-in")).to_be_visible()
        await expect(tab.get("#list, #filters")).to_have_count(0)


async def test_administrators_find_the_console(console: Tab) -> None:
    await console.open("/account")
    await console.page.get_by_role("link", name="Console").click()
    await expect(console.get("#console h1")).to_have_text("Users")
    await console.open("/")
    await console.choose(console.get("#me"), "Console")
    await expect(console.get("#console h1")).to_have_text("Users")


async def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, service: RunningService, administrator: Person
) -> None:
    async with browsing(browser, service, administrator, viewport=PHONE) as tab:
        await tab.open("/console")
        await expect(tab.get("#list li").first).to_be_visible()
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
