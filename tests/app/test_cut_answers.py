"""An answer in the kernel ends with the right to it: nobody reads it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.app.test_long_answers import HISTORY, Ending, cookie_of, demote, disable, owner_of, revoke, set_user
from tests.support.process import ServeProcess, serving
from tests.support.running_service import Person, RunningService, running
from tests.support.unread import UnreadAnswer, add_long_turns

TURNS = 200
LONG_TURN_BYTES = 8_000_000
MAX_LEFT_BYTES = 512 * 1024
# Longer than the service takes to see that a right has ended.
NOTICED_SECONDS = 4


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A service on asyncio's own event loop, with a history of 20 MB."""
    async with running(shared_database_url) as service:
        owner = await service.person("owner")
        await add_long_turns(shared_database_url, owner.id, await owner.conversation(), TURNS)
        yield service


@pytest.fixture(scope="module")
async def process(
    service: RunningService, shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServeProcess]:
    """`chatkeep serve` on the same database, with the event loop and the listener of its own."""
    folder: Path = tmp_path_factory.mktemp("cut")
    async with serving(folder, database_url=shared_database_url) as process:
        yield process


@pytest.mark.parametrize("served_by", ["service", "process"])
@pytest.mark.parametrize("ending", [demote, disable, revoke])
async def test_nothing_more_of_the_history_is_read_after_the_right_to_it(
    service: RunningService, process: ServeProcess, ending: Ending, served_by: str
) -> None:
    administrator, other = await service.administrator(), await service.person()
    await set_user(administrator, other.id, role="admin")
    url = service.url if served_by == "service" else process.url
    await _nothing_is_left(await UnreadAnswer.ask(url, HISTORY, cookie_of(other)), ending, administrator, other)


async def _sign_out(_: Person, person: Person) -> httpx2.Response:
    answer = await person.client.post("/api/v1/auth/logout")
    assert answer.status_code == 204
    return answer


async def test_nor_of_ones_own_after_sign_out(service: RunningService, process: ServeProcess) -> None:
    owner = await owner_of(service)
    answer = await UnreadAnswer.ask(process.url, "/api/v1/export", cookie_of(owner))
    await _nothing_is_left(answer, _sign_out, owner, owner)


@pytest.mark.parametrize("path", ["/api/v1/conversations/{id}/turns?limit=1", "/web/conversations/{id}/turns"])
async def test_nor_of_a_long_page(
    service: RunningService, process: ServeProcess, shared_database_url: str, path: str
) -> None:
    for url in (service.url, process.url):
        person = await service.person()
        conversation = await person.conversation()
        await add_long_turns(shared_database_url, person.id, conversation, 1, turn_bytes=LONG_TURN_BYTES)
        answer = await UnreadAnswer.ask(url, path.format(id=conversation), cookie_of(person))
        await _nothing_is_left(answer, _sign_out, person, person)


async def _nothing_is_left(answer: UnreadAnswer, ending: Ending, administrator: Person, person: Person) -> None:
    assert b" 200 " in answer.head
    await asyncio.sleep(0.5)  # the kernel has taken all that it takes
    await ending(administrator, person)
    await asyncio.sleep(NOTICED_SECONDS)
    async with asyncio.timeout(30):
        size, whole = await answer.rest()
    assert not whole
    assert size < MAX_LEFT_BYTES
