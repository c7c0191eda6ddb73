"""Whether cookies, tokens and passwords open what they should, and nothing else: asked of the service itself."""

import asyncio

from tests.crash.client_view import Told
from tests.crash.clients import Site
from tests.crash.workload import password_number

AT_ONCE = 4


async def check_access(site: Site, told: Told) -> None:
    """Try everything that ever signed somebody in."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(cookie: str, token: str, username: str | None) -> None:
        async with places:
            await _check_one(site, cookie, token, username)

    await asyncio.gather(
        *(one(cookie, "", username) for cookie, username in told.sessions.items()),
        *(one("", token, username) for token, username in told.tokens.items()),
    )
    for username, number in told.passwords.items():
        await _check_password(site, username, number)


async def _check_one(site: Site, cookie: str, token: str, username: str | None) -> None:
    browser = site.browser({"sid": cookie} if cookie else {}, {"Authorization": f"Bearer {token}"} if token else {})
    answer = await browser.insist("GET", "/api/v1/auth/me")
    if username is None:
        site.findings.require(
            answer.status_code == 401, "what was ended stays ended", f"an ended session gives {answer.status_code}"
        )
    else:
        who = answer.json().get("username")
        site.findings.require(
            who == username, "sessions outlive the process", f"the session of {username} gives {answer.status_code}"
        )


async def _check_password(site: Site, username: str, number: int) -> None:
    for tried, expected in ((number, 200), (number - 1, 401)):
        browser = site.browser()
        browser.username = username
        answer = await browser.insist("POST", "/api/v1/auth/login", browser.credentials(password_number(tried)))
        site.findings.require(
            answer.status_code == expected,
            "what was acknowledged stays",
            f"{username}: password {tried} gives {answer.status_code}, the last one acknowledged is {number}",
        )
