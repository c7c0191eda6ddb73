"""Chatting without an account, and keeping what was said when one gets one."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import PASSWORD, RunningService, running
from tests.web.browser import Tab, browsing


@pytest.fixture
async def guest(browser: Browser, shared_database_url: str) -> AsyncIterator[Tab]:
    async with running(shared_database_url, allow_guests=True) as service, browsing(browser, service, None) as tab:
        await tab.open()
        await tab.page.get_by_role("button", name="Continue without an account").click()
        yield tab


async def test_a_guest_chats_and_finds_it_again(guest: Tab) -> None:
    await expect(guest.get("#me")).to_contain_text("Guest")
    await guest.say("My name is Alice.")
    await expect(guest.get("#guest-note")).to_be_visible()
    await guest.page.reload()
    await expect(guest.get(".prompt")).to_have_text("My name is Alice.")
    await expect(guest.get("#list a")).to_have_count(1)


async def test_a_guest_makes_an_account_and_keeps_the_conversations(guest: Tab) -> None:
    await guest.say("keep me")
    await guest.get("#guest-note").click()
    await guest.get("#keep").get_by_label("Username").fill("alice-was-a-guest")
    await guest.get("#keep").get_by_label("Password").fill(PASSWORD)
    await guest.get("#keep").get_by_role("button").click()
    await expect(guest.get("#who")).to_have_text("Signed in as alice-was-a-guest")
    await guest.page.get_by_role("link", name="Conversations").click()
    await expect(guest.get("#list a")).to_have_count(1)


async def test_no_guest_is_offered_where_none_is_allowed(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, None) as tab:
        await tab.open()
        await expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible()
        await expect(tab.page.get_by_role("button", name="Continue without an account")).to_be_hidden()
