from pathlib import Path

import httpx2

from tests.accounts.client import AUTH, log_in, set_cookies
from tests.support.process import serving

FIRST, SECOND, WRONG = "the first of my passwords", "the second of my passwords", "not one of my passwords"


async def test_no_password_cookie_or_token_is_in_the_log_at_its_most_talkative(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database_url=database_url, log_level="debug") as service:
        secrets, statuses = await _whole_life(service.url)
        log = service.log
    assert statuses == [201, 201, 200, 401, 401, 200, 204, 401, 200, 401, 204, 422, 204]
    assert log.count(f"{AUTH}/login") >= 4
    for secret in secrets:
        assert len(secret) > 16
        assert secret not in log
        assert repr(secret)[1:-1] not in log


async def _whole_life(url: str) -> tuple[set[str], list[int]]:
    """Register, sign in and out, use a token, change the password and leave; return what must be in no log."""
    secrets, statuses = {FIRST, SECOND, WRONG}, []

    def noted(answer: httpx2.Response) -> httpx2.Response:
        statuses.append(answer.status_code)
        for cookie in set_cookies(answer).values():
            secrets.update(part for part in (cookie.value, *cookie.value.split(".")) if part)
        return answer

    async with httpx2.AsyncClient(base_url=url) as client, httpx2.AsyncClient(base_url=url) as program:
        noted(await client.post(f"{AUTH}/register", json={"username": "quiet", "password": FIRST}))
        body = {"name": "program", "scopes": ["account"]}
        token = noted(await client.post(f"{AUTH}/tokens", json=body)).json()["token"]
        secrets |= {token, token.removeprefix("ck_")}
        program.headers["Authorization"] = f"Bearer {token}"
        noted(await program.get(f"{AUTH}/me"))
        noted(await log_in(program, "quiet", WRONG))
        # People type the password where the name goes.
        noted(await log_in(program, FIRST, WRONG))
        noted(await log_in(client, "quiet", FIRST, remember=True))
        noted(await client.post(f"{AUTH}/password", json={"current_password": FIRST, "new_password": SECOND}))
        noted(await program.get(f"{AUTH}/me"))
        noted(await log_in(client, "quiet", SECOND))
        noted(await client.request("DELETE", f"{AUTH}/me", json={"password": WRONG}))
        noted(await client.post(f"{AUTH}/logout"))
        noted(await client.post(f"{AUTH}/login", json={"username": "quiet", "password": SECOND, "extra": SECOND}))
        await log_in(client, "quiet", SECOND)
        noted(await client.request("DELETE", f"{AUTH}/me", json={"password": SECOND}))
    return secrets, statuses
