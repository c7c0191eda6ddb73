"""The session's cookie over https, in a real browser and beside another host of the same domain that plants cookies."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from chatkeep.sessions import SessionCookie
from tests.accounts.client import log_in, set_cookies
from tests.proxies.documented import NAME
from tests.proxies.places import LEFT_ON, ROOT, TAKEN_OFF, Place, behind_nginx
from tests.proxies.servers import nginx_running
from tests.support.parts import required_program
from tests.support.programs import free_port
from tests.support.running_service import PASSWORD, Person
from tests.web.browser import Tab, browser_running, browsing_at

SIBLING = "shop.example.org"
DOMAIN = "example.org"
OPTIONS: dict[str, Any] = {"ignore_https_errors": True}


@pytest.fixture(scope="module")
async def domain_browser() -> AsyncIterator[Browser]:
    async with browser_running(f"--host-resolver-rules=MAP *.{DOMAIN} 127.0.0.1") as browser:
        yield browser


async def register(tab: Tab, username: str) -> None:
    await tab.open()
    await tab.page.get_by_role("button", name="Create account").click()
    await tab.page.get_by_label("Username").fill(username)
    await tab.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await tab.page.get_by_label("Repeat the password").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Create account").click()
    await expect(tab.get("#me")).to_contain_text(username)


async def held(context: BrowserContext, place: Place) -> dict[str, dict[str, Any]]:
    """Return the cookies that the browser would send to the service."""
    return {each["name"]: dict(each) for each in await context.cookies(f"{place.url}/api/v1/auth/me")}


async def session_of(place: Place, person: Person) -> str:
    """Sign the person in elsewhere; return the value of the session's cookie."""
    async with place.client() as client:
        cookies = set_cookies(await log_in(client, person.username))
    return next(each.value for name, each in cookies.items() if "device" not in name)


def earlier(place: Place, value: str) -> str:
    """Return a session's cookie as the version before gave it."""
    app = place.service.app
    secret = app.state.accounts.cookie.at(place.prefix or "/").read(value)
    return SessionCookie(app.state.settings.signing_keys()).write(secret).partition(";")[0].partition("=")[2]


async def plant(context: BrowserContext, folder: Path, signed: tuple[Path, Path], *cookies: str) -> None:
    """Have the browser visit another host of the domain, which sets these cookies for the whole of it."""
    port, (certificate, key) = free_port(), signed
    headers = "".join(f'add_header Set-Cookie "{each}; Domain={DOMAIN}; Secure";' for each in cookies)
    server = f"""server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
        location / {{ {headers} return 200 "bargains"; }} }}"""
    folder.mkdir()
    async with nginx_running(folder, server, port):
        page = await context.new_page()
        await page.goto(f"https://{SIBLING}:{port}/")
        await page.close()


async def printed(*command: str) -> bytes:
    """Run a program; return what it prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


@pytest.mark.parametrize(
    ("variant", "name"), [(ROOT, "__Host-sid"), (TAKEN_OFF, "__Secure-sid"), (LEFT_ON, "__Secure-sid")]
)
async def test_the_browser_keeps_it_under_the_name_of_its_place(
    domain_browser: Browser,
    database_url: str,
    folder: Path,
    signed: tuple[Path, Path],
    variant: str,
    name: str,
) -> None:
    async with (
        behind_nginx(variant, database_url, folder, signed) as place,
        browsing_at(domain_browser, place.url, **OPTIONS) as tab,
    ):
        await register(tab, "keeper")
        cookies = await held(tab.page.context, place)
        assert cookies.keys() == {name, f"{name}_device"}
        for cookie in cookies.values():
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
            assert (cookie["domain"], cookie["path"]) == (NAME, place.prefix or "/")
        await tab.page.reload()
        await expect(tab.get("#me")).to_contain_text("keeper")
        await tab.choose(tab.get("#me"), "Sign out")
        await expect(tab.get("#sign-in")).to_be_visible()
        assert (await held(tab.page.context, place)).keys() == {f"{name}_device"}


async def test_another_host_of_the_domain_signs_nobody_in_or_out(
    domain_browser: Browser, database_url: str, folder: Path, signed: tuple[Path, Path]
) -> None:
    async with (
        behind_nginx(ROOT, database_url, folder, signed) as place,
        browsing_at(domain_browser, place.url, **OPTIONS) as tab,
    ):
        context = tab.page.context
        await register(tab, "stranger")
        stranger = Person(place.client(), "", "stranger")
        value = await session_of(place, stranger)
        old = earlier(place, value)
        await context.clear_cookies()
        await register(tab, "owner")
        prefixed = [f"__Host-sid={value}; Path=/", f"__Host-sid={value}; Path=/api"]
        longer = [f"sid={each}; Path={path}" for each in (value, old) for path in ("/", "/api", "/c")]
        tab.expected.append(SIBLING)
        await plant(context, folder / "sibling", signed, *prefixed, *longer)
        sent = await context.cookies(f"{place.url}/api/v1/auth/me")
        assert [each["domain"] for each in sent if each["name"] == "__Host-sid"] == [NAME]
        assert [each["domain"] for each in sent if each["name"] == "sid"], "nothing was planted"
        await tab.page.reload()
        await expect(tab.get("#me")).to_contain_text("owner")
        await tab.say("hello")
        await tab.choose(tab.get("#me"), "Sign out")
        await expect(tab.get("#sign-in")).to_be_visible()
        await tab.page.reload()
        await expect(tab.get("#sign-in")).to_be_visible()
        await stranger.client.aclose()


async def test_a_session_of_the_version_before_goes_on_under_its_new_name(
    domain_browser: Browser, database_url: str, folder: Path, signed: tuple[Path, Path]
) -> None:
    async with (
        behind_nginx(ROOT, database_url, folder, signed) as place,
        browsing_at(domain_browser, place.url, **OPTIONS) as tab,
    ):
        context = tab.page.context
        await register(tab, "veteran")
        given = (await held(context, place))["__Host-sid"]["value"]
        await context.clear_cookies()
        old = earlier(place, given)
        await context.add_cookies([{"name": "sid", "value": old, "url": place.url, "secure": True, "httpOnly": True}])
        await tab.open()
        await expect(tab.get("#me")).to_contain_text("veteran")
        cookies = await held(context, place)
        assert "sid" not in cookies
        assert cookies["__Host-sid"]["value"] != given
        await tab.say("still here")


@pytest.mark.parametrize("variant", [ROOT, LEFT_ON])
async def test_programs_keep_it_as_well(
    database_url: str, folder: Path, signed: tuple[Path, Path], variant: str
) -> None:
    async with behind_nginx(variant, database_url, folder, signed) as place:
        body = {"username": "program", "password": PASSWORD}
        async with place.client() as client:
            assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201
            assert (await client.get("/api/v1/auth/me")).json()["username"] == "program"
        jar, find = str(folder / "jar"), ("--resolve", f"{NAME}:{place.port}:127.0.0.1")
        curl = (required_program("curl"), "--silent", "--insecure", *find, "--cookie", jar, "--cookie-jar", jar)
        api = f"{place.url}/api/v1/auth"
        await printed(*curl, "--json", json.dumps(body), f"{api}/login")
        assert json.loads(await printed(*curl, f"{api}/me"))["username"] == "program"
