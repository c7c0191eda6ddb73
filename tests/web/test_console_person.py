"""The console's work on one person: invited, reset by a link, read about, deleted with a number, in both languages."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import PASSWORD, Person, RunningService
from tests.web.browser import PHONE, Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible

LOCALES = ["en-GB", "ja-JP"]
NEW_PASSWORD = "three quiet kettles"


@pytest.fixture
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


@pytest.fixture
async def console(browser: Browser, service: RunningService, administrator: Person) -> AsyncIterator[Tab]:
    async with browsing(browser, service, administrator) as tab:
        yield tab


async def set_password(browser: Browser, service: RunningService, link: str, locale: str) -> None:
    async with browsing(browser, service, None, locale=locale) as tab:
        await tab.page.goto(link)
        await expect(tab.get("#whose")).not_to_be_empty()
        await assert_accessible(tab)
        await tab.get("#f-password").fill(NEW_PASSWORD)
        await tab.get("#f-repeated").fill("another one")
        await tab.get("#set-password .main").click()
        await expect(tab.get("#f-repeated")).to_have_attribute("aria-invalid", "true")
        await tab.get("#f-repeated").fill(NEW_PASSWORD)
        await tab.get("#set-password .main").click()
        await expect(tab.get("#prompt")).to_be_visible()
        assert tab.page.url == f"{tab.url}/"
        assert not [each for each in tab.requested if link.partition("#")[2] in each.url]
    async with browsing(browser, service, None, locale=locale) as tab:
        tab.expected.append("status of 409")
        await tab.page.goto(link)
        await expect(tab.get("#home")).to_be_visible()
        await expect(tab.get("#set-password")).to_be_hidden()
        await assert_accessible(tab)


@pytest.mark.parametrize("locale", LOCALES)
async def test_somebody_is_invited_by_a_link_that_works_once(
    browser: Browser, service: RunningService, administrator: Person, locale: str
) -> None:
    name = f"invited-{locale}"
    async with browsing(browser, service, administrator, locale=locale) as tab:
        await tab.open("/console")
        await tab.get("#invite").click()
        await assert_accessible(tab)
        await tab.get("dialog input[name=username]").fill(name)
        await tab.get("dialog .main").click()
        await expect(tab.get("#new-link code")).to_contain_text("/set-password#")
        await expect(tab.get("#list li").first).to_contain_text(name)
        await assert_accessible(tab)
        link = await tab.get("#new-link code").inner_text()
        await tab.page.get_by_role("link", name=name).click()
        await expect(tab.get("#about")).to_contain_text("招待中" if locale == "ja-JP" else "Invited")
        await assert_accessible(tab)
    await set_password(browser, service, link, locale)


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_person_has_a_page_with_all_there_is_of_them(
    browser: Browser, service: RunningService, administrator: Person, person: Person, locale: str
) -> None:
    await person.client.post("/api/v1/auth/tokens", json={"name": "laptop"})
    conversation = await person.conversation(title="tea")
    await person.say(conversation, "green tea")
    async with browsing(browser, service, administrator, locale=locale) as tab:
        await tab.open("/console")
        await tab.get("#f-q").fill(person.username)
        await tab.page.get_by_role("link", name=person.username).click()
        await expect(tab.get("#name")).to_contain_text(person.username)
        await expect(tab.get("#sessions strong")).to_have_count(1)
        await expect(tab.get("#tokens strong")).to_have_text("laptop")
        await expect(tab.get("#about code")).to_have_text(person.id)
        await assert_accessible(tab)
        await tab.get("#ways a").first.click()
        await expect(tab.get("#f-user")).to_have_value(person.id)
        await tab.get("#filters .main").click()
        await tab.page.get_by_role("link", name="tea", exact=True).click()
        await tab.get("#f-reason").fill("a case")
        await tab.get("#why .main").click()
        await tab.get("#whose a").click()
        await expect(tab.get("#name")).to_contain_text(person.username)
        await tab.page.go_back()
        await tab.get("#back").click()
        await expect(tab.get("#f-user")).to_have_value(person.id)


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_password_is_reset_and_the_account_deleted_from_its_page(
    browser: Browser, service: RunningService, administrator: Person, person: Person, locale: str
) -> None:
    async with browsing(browser, service, administrator, locale=locale) as tab:
        await tab.open(f"/console/users/{person.id}")
        await tab.get("#acts button").nth(3).click()
        await tab.get("dialog .main").click()
        link = await tab.get("#new-link code").inner_text()
        await set_password(browser, service, link, locale)
        body = {"username": person.username, "password": PASSWORD}
        assert (await service.client().post("/api/v1/auth/login", json=body)).status_code == 401
        await tab.get("#acts .dangerous").click()
        await tab.get("dialog input[name=typed]").fill(person.username)
        await tab.get("dialog .main").click()
        number = await tab.get("#state a").inner_text()
        await expect(tab.get(".toast").last).to_contain_text(number)
        for subject in (number, person.username):
            await tab.open("/console/audit")
            await tab.get("#f-subject").fill(subject)
            await tab.get("#filters .main").click()
            await expect(tab.get("#list .badge").first).to_have_text(
                "アカウント削除" if locale == "ja-JP" else "Account deleted"
            )
        await expect(tab.get("#list li")).to_have_count(1)
        tab.expected.append("status of 404")
        await tab.open(f"/console/users/{person.id}")
        await expect(tab.get("#state .problem")).to_be_visible()


async def test_held_users_and_guests_are_listed(console: Tab, administrator: Person, person: Person) -> None:
    await administrator.client.patch(f"/api/v1/admin/users/{person.id}", json={"legal_hold": True})
    await console.open("/console")
    await console.page.get_by_label("Kind").select_option("held")
    await expect(console.get("#list li").filter(has_not_text="Legal hold")).to_have_count(0)
    await expect(console.get("#list")).to_contain_text(person.username)
    await console.get("#f-q").fill(person.username)
    await console.page.get_by_label("Kind").select_option("guest")
    await expect(console.get("#state")).to_contain_text("Nobody found")


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_running_answer_is_stopped(
    browser: Browser, service: RunningService, administrator: Person, person: Person, model: TaughtModel, locale: str
) -> None:
    model.teach("long story", "Once", None, " upon a time")
    conversation = await person.conversation()
    async with person.client.stream(
        "POST", f"/api/v1/conversations/{conversation}/turns", json={"content": "long story", "stream": True}
    ) as answer:
        lines = answer.aiter_lines()
        while "Once" not in await anext(lines):
            pass
        async with browsing(browser, service, administrator, locale=locale) as tab:
            await tab.open("/console/running")
            row = tab.get("#list li").filter(has_text=person.username)
            await row.get_by_role("button").click()
            await assert_accessible(tab)
            await tab.get("dialog .main").click()
            await expect(row).to_have_count(0)
        async for _ in lines:
            pass
    (turn,) = (await person.client.get(f"/api/v1/conversations/{conversation}/turns")).json()["items"]
    assert (turn["status"], turn["reply"]["content"]) == ("stopped", "Once")
    query = {"subject_id": person.id, "action": "turn_stopped"}
    (event,) = (await administrator.client.get("/api/v1/admin/audit", params=query)).json()["items"]
    assert event["details"] == {"turn_id": turn["id"]}


async def test_a_phone_shows_a_person_without_sideways_scrolling(
    browser: Browser, service: RunningService, administrator: Person, person: Person
) -> None:
    async with browsing(browser, service, administrator, viewport=PHONE, locale="ja-JP") as tab:
        await tab.open(f"/console/users/{person.id}")
        await expect(tab.get("#name")).to_contain_text(person.username)
        await assert_accessible(tab)
