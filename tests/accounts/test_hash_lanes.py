"""The order in which passwords are hashed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from passlib.context import CryptContext

from chatkeep.accounts import passwords
from chatkeep.accounts.hash_lanes import STRANGERS, Lane
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.errors import Unavailable
from tests.accounts.client import AUTH, log_in
from tests.support.running_service import PASSWORD, RunningService, running

HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


class Workshop:
    """Hashes that take as long as the test lets them, and the order in which they were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open = threading.Event()

    def hash(self, secret: str) -> str:
        self.begun.append(secret)
        assert self.open.wait(30)
        return f"hash of {secret}"

    def verify(self, secret: bytes, kept: str) -> bool:
        return bool(self.hash(f"{secret.decode()} for {kept}"))


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    workshop = Workshop()
    monkeypatch.setattr(CryptContext, "hash", workshop.hash)
    yield workshop
    workshop.open.set()


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    hasher = PasswordHasher(memory_kib=8, passes=1)
    yield hasher
    hasher.close()


async def begun(workshop: Workshop, number: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(workshop.begun) < number:
            await asyncio.sleep(0.01)
    return workshop.begun


async def test_strangers_have_one_thread_and_known_people_never_wait_for_them(
    hasher: PasswordHasher, workshop: Workshop
) -> None:
    strangers = [asyncio.create_task(hasher.hash(f"s{n}", lane)) for n in range(10) for lane in STRANGERS]
    await begun(workshop, 1)
    known = asyncio.create_task(hasher.hash("known"))
    assert len(await begun(workshop, 2)) == 2
    assert workshop.begun[1] == "known"
    workshop.open.set()
    assert await known == "hash of known"
    await asyncio.gather(*strangers)


async def test_known_people_go_before_all_strangers_who_wait(hasher: PasswordHasher, workshop: Workshop) -> None:
    both = [asyncio.create_task(hasher.hash("k0"))]
    await begun(workshop, 1)
    both.append(asyncio.create_task(hasher.hash("k1")))
    await begun(workshop, 2)
    strangers = [asyncio.create_task(hasher.hash(f"s{n}", Lane.NEW)) for n in range(5)]
    await asyncio.sleep(0.05)
    known = [asyncio.create_task(hasher.hash(f"k{n}")) for n in range(2, 6)]
    await asyncio.sleep(0.05)
    workshop.open.set()
    await asyncio.gather(*both, *strangers, *known)
    assert {"k2", "k3"} <= set(workshop.begun[2:5])


async def test_neither_lane_of_strangers_waits_for_the_other(hasher: PasswordHasher, workshop: Workshop) -> None:
    new = [asyncio.create_task(hasher.hash(f"new {n}", Lane.NEW)) for n in range(20)]
    await begun(workshop, 1)
    sign_in = [asyncio.create_task(hasher.hash(f"sign-in {n}", Lane.SIGN_IN)) for n in range(3)]
    await asyncio.sleep(0.05)
    workshop.open.set()
    await asyncio.gather(*new, *sign_in)
    assert max(workshop.begun.index(f"sign-in {n}") for n in range(3)) <= 6


async def test_a_full_lane_of_strangers_refuses_strangers_only(hasher: PasswordHasher, workshop: Workshop) -> None:
    room = passwords.HASHES_AT_ONCE + passwords.MAX_STRANGERS_WAITING
    strangers = [asyncio.create_task(hasher.hash("s", Lane.NEW)) for _ in range(room)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        hasher.require_room(Lane.NEW)
    with pytest.raises(Unavailable):
        await hasher.hash("one too many", Lane.NEW)
    others = [asyncio.create_task(hasher.hash("x", lane)) for lane in (Lane.SIGN_IN, Lane.KNOWN)]
    await asyncio.sleep(0)
    workshop.open.set()
    await asyncio.gather(*strangers, *others)


async def test_one_account_cannot_fill_the_lane_of_known_people(
    hasher: PasswordHasher, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a password that is right, anybody could sign in to an account of their own as often as they like."""
    monkeypatch.setattr(CryptContext, "verify", workshop.verify)
    greedy = [asyncio.create_task(hasher.verify("right", "greedy")) for _ in range(30)]
    await begun(workshop, 2)
    other = asyncio.create_task(hasher.verify("right", "modest"))
    await asyncio.sleep(0.05)
    workshop.open.set()
    await asyncio.gather(*greedy, other)
    checked = [each for each in workshop.begun if " for " in each]
    assert checked.index("right for modest") <= passwords.MAX_KNOWN_OF_ONE_ACCOUNT + 1


# Who is known


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, trusted_proxies="127.0.0.0/8") as service:
        yield service


@pytest.fixture
def lanes(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> list[Lane]:
    """The lanes of the checks of a test, in order."""
    seen: list[Lane] = []
    hasher = service.app.state.accounts.hasher
    verify = hasher.verify

    async def noting(password: str, kept: str | None, lane: Lane = Lane.KNOWN) -> tuple[bool, str | None]:
        seen.append(lane)
        checked: tuple[bool, str | None] = await verify(password, kept, lane)
        return checked

    monkeypatch.setattr(hasher, "verify", noting)
    return seen


async def test_a_browser_or_a_place_that_signed_in_before_is_known(service: RunningService, lanes: list[Lane]) -> None:
    browser = service.client(headers={"X-Forwarded-For": HOME})
    body = {"username": "known-here", "password": PASSWORD}
    assert (await browser.post(f"{AUTH}/register", json=body)).status_code == 201
    household = service.client(headers={"X-Forwarded-For": "2001:db8:1:2::1"})
    await log_in(household, "known-here")
    for client, address in (
        (service.client(), HOME),
        (browser, ELSEWHERE),  # by its mark
        (service.client(), "2001:db8:1:2:ffff::2"),  # another address of that household
        (service.client(), "192.0.2.77"),
    ):
        answer = await log_in(client, "known-here", headers={"X-Forwarded-For": address})
        assert answer.status_code == 200
    assert lanes == [Lane.SIGN_IN, Lane.KNOWN, Lane.KNOWN, Lane.KNOWN, Lane.SIGN_IN]


async def test_a_name_that_nobody_has_is_known_nowhere(service: RunningService, lanes: list[Lane]) -> None:
    assert (await log_in(service.client(), "nobody-at-all")).status_code == 401
    assert lanes == [Lane.SIGN_IN]
