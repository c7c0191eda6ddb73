"""People who do not chat: they sign in and out, rename, delete, change passwords, make and end tokens, and leave."""

import asyncio
import secrets

import httpx2

from tests.crash.clients import PASSWORD, SEVERAL_TRIES_PAUSE_SECONDS, Away, Browser, Site
from tests.support.running_service import USERS_SCOPES

PIECES_BEFORE_DELETING = 5


def password_number(number: int) -> str:
    return PASSWORD if number == 0 else f"{PASSWORD} {number}"


class Beginner:
    """Begins conversations and names them: the quickest things to acknowledge."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site = site
        self._browser = browser

    async def run(self) -> None:
        while not self._site.ending:
            answer = await self._browser.insist("POST", "/api/v1/conversations", {})
            if not _was(self._site, answer, 201):
                continue
            conversation = answer.json()["id"]
            await self._site.log.keep("conversation_begun", conversation=conversation)
            title = secrets.token_hex(8)
            answer = await self._browser.insist("PATCH", f"/api/v1/conversations/{conversation}", {"title": title})
            # 404: it was lost, which is found in the end.
            if _was(self._site, answer, 200, 404) and answer.status_code == 200:
                await self._site.log.keep("renamed", conversation=conversation, title=title)


class SignerIn:
    """Signs in with a new browser and out again, and keeps every second session."""

    def __init__(self, site: Site, username: str) -> None:
        self._site = site
        self._username = username

    async def run(self) -> None:
        stays = False
        while not self._site.ending:
            stays = not stays
            browser = self._site.browser()
            browser.username = self._username
            if not _was(
                self._site, await browser.insist("POST", "/api/v1/auth/login", browser.credentials(PASSWORD)), 200
            ):
                continue
            cookie = browser.cookie
            await self._site.log.keep("signed_in", username=self._username, cookie=cookie)
            if not stays and _was(self._site, await browser.insist("POST", "/api/v1/auth/logout"), 204):
                await self._site.log.keep("signed_out", cookie=cookie)


class TokenMaker:
    """Makes access tokens and ends every second one."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site = site
        self._browser = browser

    async def run(self) -> None:
        stays = False
        while not self._site.ending:
            stays = not stays
            answer = await self._browser.insist(
                "POST", "/api/v1/auth/tokens", {"name": "crash", "scopes": USERS_SCOPES}
            )
            if not _was(self._site, answer, 201):
                continue
            made = answer.json()
            await self._site.log.keep("token_made", username=self._browser.username, token=made["token"])
            if not stays:
                answer = await self._browser.insist("DELETE", f"/api/v1/auth/tokens/{made['id']}")
                # 404: a try before, whose answer was lost, has ended it.
                if _was(self._site, answer, 204, 404):
                    await self._site.log.keep("token_ended", token=made["token"])


class Deleter:
    """Begins conversations and deletes them in the middle of the first reply."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site = site
        self._browser = browser

    async def run(self) -> None:
        while not self._site.ending:
            answer = await self._browser.insist("POST", "/api/v1/conversations", {})
            if not _was(self._site, answer, 201):
                continue
            conversation = answer.json()["id"]
            await self._chat(conversation)
            answer = await self._browser.insist("DELETE", f"/api/v1/conversations/{conversation}")
            if _was(self._site, answer, 204, 404):
                await self._site.log.keep("conversation_deleted", conversation=conversation)

    async def _chat(self, conversation: str) -> None:
        body = {"content": f"Say 60 pieces: {secrets.token_hex(16)}", "stream": True}
        try:
            async with self._browser.asking("POST", f"/api/v1/conversations/{conversation}/turns", body) as answer:
                if not _was(self._site, answer, 200, 503):
                    return
                pieces = 0
                async for line in answer.aiter_lines():
                    pieces += line.startswith("event: delta")
                    if pieces >= PIECES_BEFORE_DELETING:
                        return
        except Away:
            return


class PasswordChanger:
    """Changes a password over and over, and has a second session each time, which that ends."""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site = site
        self._browser = browser
        self._number = 0

    async def run(self) -> None:
        while not self._site.ending:
            other = await self._signed_in(self._number)
            if other is None:
                continue
            before = self._browser.cookie
            if await self._change():
                self._number += 1
                username = self._browser.username
                await self._site.log.keep("password_changed", username=username, number=self._number)
                await self._site.log.keep("signed_out", cookie=before)
                await self._site.log.keep("signed_out", cookie=other.cookie)
                await self._site.log.keep("signed_in", username=username, cookie=self._browser.cookie)

    async def _change(self) -> bool:
        """Change it once; where no answer came, find out which password holds."""
        body = {"current_password": password_number(self._number), "new_password": password_number(self._number + 1)}
        try:
            answer = await self._browser.ask("POST", "/api/v1/auth/password", body)
        except Away:
            answer = None
        if answer is not None and answer.status_code != 503:
            return _was(self._site, answer, 204)
        again = await self._signed_in(self._number + 1)
        if again is None:
            return False
        self._browser = again
        return True

    async def _signed_in(self, number: int) -> Browser | None:
        """Sign in with a new browser; None where the password is not this one."""
        browser = self._site.browser()
        browser.username = self._browser.username
        answer = await browser.insist("POST", "/api/v1/auth/login", browser.credentials(password_number(number)))
        return browser if _was(self._site, answer, 200, 401) and answer.status_code == 200 else None


class Leaver:
    """Makes an account, begins something, and deletes the account."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def run(self) -> None:
        while not self._site.ending:
            browser = self._site.browser()
            browser.username = f"leaver-{secrets.token_hex(8)}"
            answer = await browser.insist("POST", "/api/v1/auth/register", browser.credentials(PASSWORD))
            if answer.status_code != 201:
                # A try before, whose answer was lost, has made it.
                _was(self._site, answer, 409)
                continue
            cookie = browser.cookie
            await self._site.log.keep("signed_in", username=browser.username, cookie=cookie)
            _was(self._site, await browser.insist("POST", "/api/v1/conversations", {}), 201)
            if _was(self._site, await browser.insist("DELETE", "/api/v1/auth/me", {"password": PASSWORD}), 204, 401):
                await self._site.log.keep("user_deleted", username=browser.username)
                await self._site.log.keep("signed_out", cookie=cookie)


class Prober:
    """Asks for something small all the time: when does the service answer again?"""

    def __init__(self, site: Site, browser: Browser) -> None:
        self._site = site
        self._browser = browser

    async def run(self) -> None:
        while not self._site.ending:
            for path in ("/api/v1/conversations", "/api/v1/auth/sessions"):
                try:
                    _was(self._site, await self._browser.ask("GET", path), 200, 503)
                except Away:
                    continue
            await asyncio.sleep(SEVERAL_TRIES_PAUSE_SECONDS / 2)


def _was(site: Site, answer: httpx2.Response, *expected: int) -> bool:
    """Tell whether the answer has one of the statuses; any other is a finding."""
    request = f"{answer.request.method} {answer.request.url.path}"
    fits = answer.status_code in expected
    site.findings.require(fits, "only 503, and in time", f"{request} was answered with {answer.status_code}")
    return fits
