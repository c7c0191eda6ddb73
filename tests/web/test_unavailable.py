"""Pages while the database does not answer."""

import asyncpg
import pytest

from tests.support.running_service import RunningService
from tests.support.urls import driver_url


@pytest.mark.parametrize("path", ["/", "/account", "/console/users"])
async def test_a_page_that_cannot_be_shown_now_says_when_to_try_again(
    service: RunningService, shared_database_url: str, path: str
) -> None:
    person = await service.person()
    connection = await asyncpg.connect(driver_url(shared_database_url))
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE login_sessions")
            answer = await person.client.get(path, headers={"Accept": "text/html"})
    finally:
        await connection.close()
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert int(answer.headers["retry-after"]) > 0
    assert (await person.client.get("/account")).status_code == 200
