"""The pages in a browser behind the nginx of docs/operating.md: on their own host, and under a path of another."""

import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.proxies.documented import NAME
from tests.proxies.places import BEHIND, VARIANTS, Place, behind_nginx
from tests.proxies.servers import nginx_running
from tests.support.programs import free_port
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, running
from tests.web.browser import Tab, browsing_at
from tests.web.models import TaughtModel

# The test's certificate is signed by nobody.
OPTIONS: dict[str, Any] = {"ignore_https_errors": True, "accept_downloads": True}


@pytest.fixture(scope="module")
def model() -> TaughtModel:
    return TaughtModel()


@pytest.fixture(scope="module", params=VARIANTS)
async def place(
    request: pytest.FixtureRequest, shared_database_url: str, signed: tuple[Path, Path], model: TaughtModel
) -> AsyncIterator[Place]:
    with TemporaryDirectory(prefix="chatkeep-proxy-") as folder:
        async with behind_nginx(request.param, shared_database_url, Path(folder), signed, model=model) as place:
            yield place


@pytest.fixture
async def tab(browser: Browser, place: Place) -> AsyncIterator[Tab]:
    """A tab that must not ask for anything but what is below the service's own address."""
    async with browsing_at(browser, place.url, **OPTIONS) as tab:
        yield tab


@pytest.fixture
def username(request: pytest.FixtureRequest, place: Place) -> str:
    number = VARIANTS.index(request.node.callspec.params["place"])
    return f"{request.node.originalname[5:25]}-{number}"


async def sign_in(tab: Tab, username: str, password: str = PASSWORD, button: str = "Sign in") -> None:
    await tab.page.get_by_label("Username").fill(username)
    await tab.page.get_by_label("Password", exact=True).fill(password)
    if button == "Create account":
        await tab.page.get_by_label("Repeat the password").fill(password)
    await tab.page.get_by_role("button", name=button).click()
    await expect(tab.get("#sign-in")).to_be_hidden()


async def register(tab: Tab, username: str) -> None:
    await tab.open()
    await tab.page.get_by_role("button", name="Create account").click()
    await sign_in(tab, username, button="Create account")


async def test_chatting_reloading_searching_and_signing_out(
    tab: Tab, place: Place, model: TaughtModel, username: str
) -> None:
    story = f"story of {username}"
    model.teach(story, "Once upon a time", None, " there was **tea**.")
    await register(tab, username)
    cookies = await tab.page.context.cookies()
    assert {cookie["path"] for cookie in cookies} == {place.prefix or "/"}
    await tab.say(story, wait=False)
    await expect(tab.reply()).to_contain_text("Once upon a time")
    assert tab.page.url.startswith(f"{place.url}/c/")
    await tab.page.reload()
    await expect(tab.reply()).to_contain_text("Once upon a time")
    model.go_on(story)
    await tab.answered()
    await expect(tab.reply().locator("strong")).to_have_text("tea")
    conversation = tab.page.url
    # Links that the page follows itself, and the browser's history.
    await tab.get("#new").click()
    await expect(tab.page).to_have_url(f"{place.url}/")
    await tab.get("#list a").first.click()
    await expect(tab.page).to_have_url(conversation)
    await tab.page.go_back()
    await expect(tab.page).to_have_url(f"{place.url}/")
    await tab.get("#search").fill("there was")
    await tab.get("#list .hit").first.click()
    await expect(tab.reply()).to_contain_text("there was")
    async with tab.page.expect_download() as downloading:
        await tab.menu("Export as Markdown")
    assert "tea" in (await (await downloading.value).path()).read_text()
    await tab.choose(tab.get("#me"), "Sign out")
    await expect(tab.page).to_have_url(f"{place.url}/")
    await sign_in(tab, username)
    await expect(tab.get("#list a")).to_have_count(1)


async def test_the_account_with_its_choices_and_its_files(tab: Tab, place: Place, username: str) -> None:
    await register(tab, username)
    await tab.say("to be kept")
    await tab.choose(tab.get("#me"), "Account")
    await expect(tab.page).to_have_url(f"{place.url}/account")
    await tab.page.get_by_role("combobox", name="Appearance").select_option("dark")
    assert {cookie["path"] for cookie in await tab.page.context.cookies()} == {place.prefix or "/"}
    async with tab.page.expect_download() as downloading:
        await tab.page.get_by_role("link", name="Export everything").click()
    exported = await (await downloading.value).path()
    assert b"to be kept" in zipfile.ZipFile(exported).read("history.jsonl")
    await tab.get("#f-file").set_input_files(exported)
    await tab.page.get_by_role("button", name="Import").click()
    await expect(tab.get("#import-result")).to_have_text("Imported: 0. Already here: 1.")
    await tab.get("#delete").get_by_label("Your password").fill(PASSWORD)
    await tab.get("#delete").get_by_role("button").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete account").click()
    await expect(tab.page).to_have_url(f"{place.url}/")
    await expect(tab.get("html")).to_have_attribute("data-theme", "dark")


async def test_the_console(tab: Tab, place: Place, username: str) -> None:
    async with browsing_at(tab.page.context.browser, place.url, **OPTIONS) as other:  # type: ignore[arg-type]  # it has one
        await register(other, username)
        await other.say("asked by somebody else")
    await tab.open("/console")
    await sign_in(tab, "admin", ADMIN_PASSWORD)
    await expect(tab.get("#list li").filter(has_text=username)).to_have_count(1)
    for section in ("History", "Running", "Statistics", "Audit trail", "Users"):
        await tab.page.get_by_role("navigation").get_by_role("link", name=section).click()
        await expect(tab.get("#console h1")).to_have_text(section)
    await tab.open(f"/console/history?username={username}")
    await tab.page.get_by_role("button", name="Show").click()
    async with tab.page.expect_download() as downloading:
        await tab.page.get_by_role("button", name="Export as JSONL").click()
    exported = (await (await downloading.value).path()).read_text().splitlines()
    assert [json.loads(line)["prompt"]["content"] for line in exported] == ["asked by somebody else"]
    await tab.get('#list a[href*="/console/conversations/"]').first.click()
    await tab.get("#f-reason").fill("a complaint")
    await tab.page.get_by_role("button", name="Read").click()
    await expect(tab.get(".prompt")).to_have_text("asked by somebody else")
    await tab.page.get_by_role("link", name="Chatkeep").click()
    await expect(tab.page).to_have_url(f"{place.url}/")


async def test_wrong_addresses_and_the_api_page(tab: Tab, place: Place) -> None:
    tab.expected.append("status of 404")
    await tab.open("/nothing/here")
    await expect(tab.get("h1")).to_have_text("There is nothing at this address")
    await tab.page.get_by_role("link", name="Conversations").click()
    await expect(tab.page).to_have_url(f"{place.url}/")
    await tab.open("/docs")
    assert f"{place.url}/api/v1/auth/login" in (await tab.get("main").text_content() or "")
    await tab.page.get_by_role("link", name="OpenAPI").click()
    document = json.loads(await tab.page.inner_text("body"))
    assert document.get("servers", [{"url": ""}]) == [{"url": place.prefix}]


async def test_the_path_without_its_last_slash_is_the_service(tab: Tab, place: Place, username: str) -> None:
    if not place.prefix:
        pytest.skip("a host of its own has no path")
    tab.expected.append(f"left the origin: {place.url}")
    await tab.page.goto(place.url)
    await tab.page.get_by_role("button", name="Create account").click()
    await sign_in(tab, username, button="Create account")
    await tab.say("hello")
    assert tab.page.url.startswith(f"{place.url}/c/")


async def test_people_sign_up_and_write_behind_the_plainest_nginx(
    browser: Browser, shared_database_url: str, folder: Path, signed: tuple[Path, Path]
) -> None:
    """With nothing but a `proxy_pass`, `Host` is the upstream's; the browser's own word lets it write."""
    certificate, key = signed
    async with running(shared_database_url, **(BEHIND | {"trusted_proxies": ""})) as service:
        port = free_port()
        server = f"""server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
            location / {{ proxy_pass {service.url}; }} }}"""
        async with (
            nginx_running(folder, server, port),
            browsing_at(browser, f"https://{NAME}:{port}", **OPTIONS) as tab,
        ):
            await register(tab, "beginner")
            await tab.say("hello")
            await expect(tab.reply()).not_to_be_empty()
