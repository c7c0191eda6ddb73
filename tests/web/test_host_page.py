"""The page of a browser where the service does not go by the name that somebody opened."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import RunningService, running
from tests.web.browser import browser_running, tab_in

ASKS_FOR_PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
async def named(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, allowed_hosts="secret-name.lan") as service:
        yield service


@pytest.fixture(scope="module")
async def lan_browser() -> AsyncIterator[Browser]:
    """A browser to which every name below .lan is this machine."""
    async with browser_running("--host-resolver-rules=MAP *.lan 127.0.0.1") as browser:
        yield browser


@pytest.mark.parametrize(
    ("host", "setting"),
    [
        ("192.168.1.20:8000", "CHATKEEP_ALLOWED_HOSTS=192.168.1.20"),
        ("Box.Local:8000", "CHATKEEP_ALLOWED_HOSTS=box.local"),
        ("chat.example.org", "CHATKEEP_ALLOWED_HOSTS=chat.example.org"),
        ("[fd00::2]:8000", "CHATKEEP_ALLOWED_HOSTS=[fd00::2]"),
    ],
)
async def test_a_browser_gets_a_page_that_names_the_setting(named: RunningService, host: str, setting: str) -> None:
    for language, title in (("en", "This address is not allowed yet"), ("ja", "このアドレスはまだ許可されていません")):
        headers = ASKS_FOR_PAGE | {"Host": host, "Accept-Language": language}
        answer = await named.client().get("/account", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<h1>{title}</h1>" in answer.text
        assert f"<code>{setting}</code>" in answer.text


async def test_the_setting_of_the_page_lets_the_browser_in(named: RunningService, shared_database_url: str) -> None:
    for host in ("192.168.1.20:8000", "box.local", "[fd00::2]:8000", "xn--bcher-kva.example"):
        refused = await named.client().get("/", headers=ASKS_FOR_PAGE | {"Host": host})
        (value,) = re.findall(r"CHATKEEP_ALLOWED_HOSTS=([^<]+)", refused.text)
        async with running(shared_database_url, allowed_hosts=value) as service:
            assert (await service.client().get("/", headers=ASKS_FOR_PAGE | {"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["<script>alert(1)</script>", "a&b.example", '"x"', "a b", "user@evil.example", "evil.example/x", "", "é"]
)
async def test_nothing_but_a_host_is_shown(named: RunningService, host: str) -> None:
    headers = [(b"Accept", ASKS_FOR_PAGE["Accept"].encode()), (b"Host", host.encode("latin-1"))]
    answer = await named.client().get("/", headers=headers)
    assert answer.status_code == 400
    assert "CHATKEEP_ALLOWED_HOSTS=" not in answer.text
    assert not host or host not in answer.text.partition("<body>")[2]


async def test_a_page_that_rebinds_its_name_learns_and_does_nothing(named: RunningService) -> None:
    answer = await named.client().get("/", headers=ASKS_FOR_PAGE | {"Host": "evil.example"})
    assert "secret-name" not in answer.text
    assert "data-state" not in answer.text
    assert "<script" not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "*/*"}),
        ("GET", {"Accept": "application/json"}),
        ("GET", {}),
        ("POST", ASKS_FOR_PAGE),
        ("GET", ASKS_FOR_PAGE | {"Sec-Fetch-Mode": "cors"}),
    ],
)
async def test_programs_get_a_problem(named: RunningService, method: str, headers: dict[str, str]) -> None:
    answer = await named.client().request(method, "/api/v1/conversations", headers=headers | {"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "host_not_allowed"
    assert "evil" not in answer.text


async def test_a_real_browser_shows_it(lan_browser: Browser, named: RunningService) -> None:
    context = await lan_browser.new_context(locale="en-GB", viewport={"width": 320, "height": 640})
    try:
        tab = await tab_in(context, f"http://other.lan:{urlsplit(named.url).port}")
        tab.expected = ["status of 400", "favicon"]
        await tab.open("/")
        await expect(tab.get("code")).to_have_text("CHATKEEP_ALLOWED_HOSTS=other.lan")
        width = await tab.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320
        assert await tab.get(".card").evaluate("card => getComputedStyle(card).borderTopWidth") == "1px"
        tab.check()
    finally:
        await context.close()


async def test_a_wrong_address_over_plain_http_gets_a_page_too(lan_browser: Browser, named: RunningService) -> None:
    """Browsers send no Fetch Metadata there."""
    context = await lan_browser.new_context(locale="en-GB")
    try:
        page = await context.new_page()
        answer = await page.goto(f"http://secret-name.lan:{urlsplit(named.url).port}/cnosole")
        assert answer is not None
        assert "sec-fetch-mode" not in await answer.request.all_headers()
        assert answer.status == 404
        await expect(page.locator("h1")).to_have_text("There is nothing at this address")
    finally:
        await context.close()
