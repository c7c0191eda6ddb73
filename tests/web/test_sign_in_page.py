"""Signing in where the browser does not keep the cookie: over plain http, or with cookies blocked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, RunningService, running
from tests.web.browser import Tab, browser_running, browsing, tab_in
from tests.web.test_accessibility import assert_accessible

NAME = "chat.lan"


@pytest.fixture(scope="module")
async def lan_browser() -> AsyncIterator[Browser]:
    async with browser_running(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as browser:
        yield browser


@pytest.fixture(scope="module")
async def secure(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A service whose cookie is for https, asked over plain http."""
    settings: dict[str, Any] = {"cookie_secure": True, "allowed_hosts": NAME, "allow_guests": True}
    async with running(shared_database_url, **settings) as service:
        yield service


@asynccontextmanager
async def opened(browser: Browser, service: RunningService, *, host: str = NAME, **options: Any) -> AsyncIterator[Tab]:
    context = await browser.new_context(**({"locale": "en-GB"} | options))
    try:
        tab = await tab_in(context, f"http://{host}:{urlsplit(service.url).port}")
        await tab.open("/")
        yield tab
        tab.check()
    finally:
        await context.close()


async def sign_in(tab: Tab) -> None:
    await tab.get("#sign-in [name=username]").fill("admin")
    await tab.get("#sign-in [name=password]").fill(ADMIN_PASSWORD)
    await tab.get("#sign-in [type=submit]").click()


@pytest.mark.parametrize(
    ("locale", "lost"),
    [("en-GB", "signed in, but the browser did not keep it"), ("ja-JP", "ブラウザーがその状態を保存しませんでした")],
)
async def test_over_plain_http_the_page_says_that_the_browser_did_not_keep_the_cookie(
    lan_browser: Browser, secure: RunningService, locale: str, lost: str
) -> None:
    async with opened(lan_browser, secure, locale=locale) as tab:
        await sign_in(tab)
        problem = tab.get("#sign-in .problem")
        await expect(problem).to_contain_text(lost)
        await expect(problem).to_contain_text("https")
        await expect(problem).to_contain_text("CHATKEEP_COOKIE_SECURE=false")
        await sign_in(tab)
        await expect(problem).to_contain_text(lost)


async def test_a_new_account_is_told_as_much(lan_browser: Browser, secure: RunningService) -> None:
    async with opened(lan_browser, secure) as tab:
        await tab.get("button[data-mode]").click()
        await tab.get("#sign-in [name=username]").fill("newcomer")
        for name in ("password", "repeated"):
            await tab.get(f"#sign-in [name={name}]").fill("a long password of a newcomer")
        await tab.get("#sign-in [type=submit]").click()
        await expect(tab.get("#sign-in .problem")).to_contain_text("CHATKEEP_COOKIE_SECURE=false")


async def test_a_guest_is_told_before_anything_is_written(lan_browser: Browser, secure: RunningService) -> None:
    async with opened(lan_browser, secure) as tab:
        await tab.get("[data-guest]").click()
        await expect(tab.get("#sign-in .problem")).to_contain_text("CHATKEEP_COOKIE_SECURE=false")
        await expect(tab.get("#app")).to_be_hidden()


async def test_the_machine_itself_keeps_the_cookie_over_plain_http(
    lan_browser: Browser, secure: RunningService
) -> None:
    for host in ("127.0.0.1", "localhost"):
        async with opened(lan_browser, secure, host=host) as tab:
            await sign_in(tab)
            await expect(tab.get("#prompt")).to_be_visible()
        async with opened(lan_browser, secure, host=host) as tab:
            await tab.get("[data-guest]").click()
            await expect(tab.get("#prompt")).to_be_visible()


async def test_the_address_stays_as_it_was(lan_browser: Browser, secure: RunningService) -> None:
    for host in (NAME, "127.0.0.1"):
        async with opened(lan_browser, secure, host=host) as tab:
            await tab.open("/account?x=1&y=2#tokens")
            await sign_in(tab)
            await expect(tab.get("#app" if host != NAME else "#sign-in .problem")).to_be_visible()
            assert tab.page.url == f"{tab.url}/account?x=1&y=2#tokens"


@pytest.mark.parametrize(
    ("cookie_secure", "headers", "reason"),
    [
        (True, {}, "CHATKEEP_COOKIE_SECURE=false"),
        (True, {"Sec-Fetch-Mode": "navigate"}, "cookies are blocked"),
        (True, {"X-Forwarded-Proto": "https"}, "cookies are blocked"),
        (False, {}, "cookies are blocked"),
    ],
)
async def test_the_reason_is_the_one_that_there_is(
    shared_database_url: str, cookie_secure: bool, headers: dict[str, str], reason: str
) -> None:
    settings: dict[str, Any] = {"cookie_secure": cookie_secure, "trusted_proxies": "127.0.0.1"}
    async with running(shared_database_url, **settings) as service:
        page = await service.client().get("/?as=user", headers=headers)
        assert reason in page.text
        assert "did not keep it" in page.text


async def test_nothing_is_said_to_somebody_who_is_signed_in_or_has_not_tried(service: RunningService) -> None:
    signed_in, stranger = (await service.person()).client, service.client()
    for client, path in ((signed_in, "/?as=user"), (signed_in, "/?as=guest"), (stranger, "/"), (stranger, "/?as=x")):
        page = (await client.get(path)).text
        assert "did not keep it" not in page
        assert "cannot keep you" not in page
        assert '<p class="problem" role="alert" hidden>' in page


async def test_what_the_page_advises_works(lan_browser: Browser, shared_database_url: str) -> None:
    settings: dict[str, Any] = {"cookie_secure": False, "allowed_hosts": NAME, "allow_guests": True}
    async with running(shared_database_url, **settings) as service:
        async with opened(lan_browser, service) as tab:
            await sign_in(tab)
            await expect(tab.get("#prompt")).to_be_visible()
        async with opened(lan_browser, service) as tab:
            await tab.get("[data-guest]").click()
            await expect(tab.get("#prompt")).to_be_visible()
            assert await tab.page.evaluate("document.cookie") == ""


@pytest.mark.parametrize(
    ("locale", "texts"),
    [
        (
            "en-GB",
            ("Create account", "Show the password", "Hide the password", "The two passwords are not the same."),
        ),
        (
            "ja-JP",
            ("アカウントを作成", "パスワードを表示", "パスワードを隠す", "2つのパスワードが一致しません。"),
        ),
    ],
)
async def test_a_new_password_is_typed_twice_and_can_be_looked_at(
    browser: Browser, service: RunningService, locale: str, texts: tuple[str, ...]
) -> None:
    register, show, hide, differ = texts
    async with browsing(browser, service, None, locale=locale) as tab:
        await tab.open()
        password, repeated = tab.get("#f-password"), tab.get("#f-repeated")
        await expect(repeated).to_have_count(0)
        await tab.page.get_by_role("button", name=register).click()
        await tab.get("#f-username").fill(f"rin-{locale}")
        await password.fill(PASSWORD)
        await repeated.fill(PASSWORD + "x")
        await tab.page.get_by_role("button", name=show).click()
        for each in (password, repeated):
            await expect(each).to_have_attribute("type", "text")
        await tab.page.get_by_role("button", name=hide).click()
        for each in (password, repeated):
            await expect(each).to_have_attribute("type", "password")
        await tab.get("#sign-in [type=submit]").click()
        await expect(tab.page.get_by_role("alert")).to_have_text(differ)
        await expect(repeated).to_be_focused()
        assert not [each for each in tab.requested if each.method == "POST"]
        await repeated.fill(PASSWORD)
        await tab.page.get_by_role("button", name=show).click()
        await repeated.press("Enter")
        await expect(tab.get("#me")).to_contain_text(f"rin-{locale}")


async def test_a_password_that_is_shown_is_hidden_before_it_is_sent(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, None) as tab:
        tab.expected.append("status of 401")
        await tab.open()
        await tab.page.get_by_role("button", name="Show the password").click()
        await tab.get("#f-username").fill("nobody")
        await tab.get("#f-password").fill("wrong password")
        await tab.get("#f-password").press("Enter")
        await expect(tab.page.get_by_role("alert")).to_have_text("Wrong username or password.")
        await expect(tab.get("#f-password")).to_have_attribute("type", "password")


@pytest.mark.parametrize(("locale", "whom"), [("en-GB", "Ask an administrator"), ("ja-JP", "管理者にお問い合わせ")])
async def test_somebody_who_forgot_the_password_is_told_whom_to_ask(
    browser: Browser, service: RunningService, locale: str, whom: str
) -> None:
    async with browsing(browser, service, None, locale=locale) as tab:
        await tab.open()
        await expect(tab.get(".forgotten p")).to_be_hidden()
        await tab.get(".forgotten summary").click()
        await expect(tab.get(".forgotten p")).to_contain_text(whom)
        await assert_accessible(tab)
        await tab.get("button[data-mode]").click()
        await expect(tab.get(".forgotten")).to_be_hidden()
