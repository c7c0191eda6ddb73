"""How often a password may be tried. The tests' own address is a proxy that is believed about the client's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import httpx2
import pytest

from chatkeep.accounts.hash_lanes import Lane
from chatkeep.accounts.throttling import ACCOUNT_FROM_ANYWHERE, ACCOUNT_FROM_ONE_PLACE, ONE_PLACE, place_of
from chatkeep.app.maintenance import cleanup
from chatkeep.audit import queries as audit_queries
from chatkeep.errors import Unavailable
from tests.accounts.client import AUTH, NEW_PASSWORD, change, code_of, log_in, rows, session_of, value
from tests.accounts.clocks import MovableClock
from tests.support.patience import patience
from tests.support.running_service import PASSWORD, RunningService, running

FEW = ACCOUNT_FROM_ONE_PLACE.attempts
# What one registration leaves: a try of its address, and one of its network.
REGISTERED_ONCE = (1, 1)
WINDOW_SECONDS = ACCOUNT_FROM_ONE_PLACE.window.total_seconds()
WRONG = "a wrong password"
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    with patience():
        async with running(shared_database_url, trusted_proxies="127.0.0.0/8,10.0.0.0/8") as service:
            yield service


@pytest.fixture(autouse=True)
async def _nothing_counted(service: RunningService) -> None:
    await change(service.database, "DELETE FROM login_attempts")


async def guess(service: RunningService, username: str, address: str, password: str = WRONG) -> httpx2.Response:
    """Try a password from an address, with a browser that nobody has seen before."""
    return await log_in(service.client(), username, password, headers={"X-Forwarded-For": address})


async def guesses(service: RunningService, username: str, address: str, number: int) -> list[int]:
    client = service.client(headers={"X-Forwarded-For": address})
    return [(await log_in(client, username, WRONG)).status_code for _ in range(number)]


@contextmanager
def no_guess_right(service: RunningService) -> Iterator[None]:
    """Have no guess be right and none take time: what counts them comes before."""

    class NoHasher:
        async def verify(self, _password: str, _password_hash: str | None, _lane: Lane) -> tuple[bool, None]:
            return False, None

    accounts = service.app.state.accounts
    service.app.state.accounts = replace(accounts, hasher=NoHasher())
    yield
    service.app.state.accounts = accounts


@asynccontextmanager
async def full_disk_after_counting(service: RunningService) -> AsyncIterator[None]:
    """Have the database take a try's count, and then neither its session nor the count's taking back."""
    fail = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END"
    await change(service.database, f"CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ {fail} $$")
    for table, event in (("login_sessions", "INSERT"), ("login_attempts", "UPDATE")):
        taking_back = "WHEN (NEW.attempts < OLD.attempts)" if event == "UPDATE" else ""
        trigger = f"CREATE TRIGGER disk_full BEFORE {event} ON {table} FOR EACH ROW {taking_back}"
        await change(service.database, f"{trigger} EXECUTE FUNCTION disk_full()")
    try:
        yield
    finally:
        await change(service.database, "DROP FUNCTION disk_full CASCADE")


async def test_after_some_wrong_passwords_even_the_right_one_waits(service: RunningService) -> None:
    person = await service.person()
    assert await guesses(service, person.username, HOME, FEW) == [401] * FEW
    answer = await guess(service, person.username, HOME, PASSWORD)
    assert code_of(answer) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
    assert "set-cookie" not in answer.headers


async def test_tries_that_a_full_disk_refused_do_not_keep_somebody_out_afterwards(service: RunningService) -> None:
    person = await service.person()
    async with full_disk_after_counting(service):
        refused = [(await guess(service, person.username, HOME, PASSWORD)).status_code for _ in range(3 * FEW)]
    assert refused == [503] * (3 * FEW)
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 200


async def test_tries_that_a_full_disk_refused_give_back_no_other_ones(service: RunningService) -> None:
    person = await service.person()
    assert await guesses(service, person.username, HOME, FEW - 1) == [401] * (FEW - 1)
    async with full_disk_after_counting(service):
        assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 503
    assert await guesses(service, person.username, HOME, 2) == [401, 429]


async def test_the_spelling_of_the_name_makes_no_difference(service: RunningService) -> None:
    person = await service.person("Guessed-At")
    for spelling in ("guessed-at", "GUESSED-AT", "Ｇuessed-at") * 4:
        last = await guess(service, spelling, HOME)
    assert last.status_code == 429
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 429


async def test_an_unknown_name_is_counted_like_any_other(service: RunningService) -> None:
    person = await service.person()
    known = [await guess(service, person.username, HOME) for _ in range(FEW + 1)]
    unknown = [await guess(service, "nobody-of-that-name", HOME) for _ in range(FEW + 1)]
    assert [each.status_code for each in known] == [each.status_code for each in unknown]
    assert known[-1].json() == unknown[-1].json()


async def test_of_many_guesses_at_once_no_more_than_the_limit_are_looked_at(service: RunningService) -> None:
    person = await service.person()
    answers = await asyncio.gather(*(guess(service, person.username, HOME) for _ in range(60)))
    assert Counter(answer.status_code for answer in answers) == {401: FEW, 429: 60 - FEW}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    kept = await rows(service.database, "SELECT attempts FROM login_attempts ORDER BY attempts")
    assert [row.attempts for row in kept] == [*REGISTERED_ONCE, *([FEW] * 4)]


async def test_processes_count_together(service: RunningService, shared_database_url: str) -> None:
    person = await service.person()
    async with running(shared_database_url, trusted_proxies="127.0.0.0/8") as another:
        answers = await asyncio.gather(
            *(guess(each, person.username, HOME) for each in (service, another) for _ in range(FEW))
        )
    assert Counter(answer.status_code for answer in answers) == {401: FEW, 429: FEW}


async def test_when_the_window_ends_there_are_new_tries(service: RunningService, clock: MovableClock) -> None:
    person = await service.person()
    await guesses(service, person.username, HOME, FEW)
    clock.advance(WINDOW_SECONDS - 90)
    answer = await guess(service, person.username, HOME, PASSWORD)
    assert answer.headers["retry-after"] == "90"
    clock.advance(89.5)
    assert (await guess(service, person.username, HOME, PASSWORD)).headers["retry-after"] == "1"
    clock.advance(0.5)
    assert await guesses(service, person.username, HOME, FEW) == [401] * FEW
    assert (await guess(service, person.username, HOME)).status_code == 429


async def test_signing_in_makes_good_the_tries_before(service: RunningService) -> None:
    person = await service.person()
    for _ in range(3):
        assert await guesses(service, person.username, HOME, FEW - 1) == [401] * (FEW - 1)
        assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 200
    # But not those against all names from one place, or anybody with one account could guess on.
    kept = await rows(service.database, "SELECT attempts FROM login_attempts ORDER BY attempts")
    assert [row.attempts for row in kept] == [*REGISTERED_ONCE, *([3 * (FEW - 1)] * 3)]


async def test_one_stranger_cannot_lock_the_owner_out(service: RunningService) -> None:
    """However long it goes on: what is refused does not count against the account."""
    person = await service.person()
    with no_guess_right(service):
        statuses = await guesses(service, person.username, ELSEWHERE, 2 * ACCOUNT_FROM_ANYWHERE.attempts)
    assert Counter(statuses) == {401: FEW, 429: 2 * ACCOUNT_FROM_ANYWHERE.attempts - FEW}
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 200


async def test_strangers_from_everywhere_cannot_lock_the_owners_browser_out(service: RunningService) -> None:
    person = await service.person()
    await person.client.post(f"{AUTH}/logout")
    with no_guess_right(service):
        for number in range(ACCOUNT_FROM_ANYWHERE.attempts // FEW):
            assert await guesses(service, person.username, f"192.0.2.{number}", FEW) == [401] * FEW
        assert await guesses(service, person.username, "192.0.2.200", 3) == [429] * 3
    # A browser that nobody has seen waits; the one that has signed in before does not, wherever it is.
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 429
    answer = await log_in(person.client, person.username, headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 200


async def test_a_known_browser_may_not_guess_on_either(service: RunningService) -> None:
    person = await service.person()
    answers = [await log_in(person.client, person.username, WRONG) for _ in range(FEW + 1)]
    assert [each.status_code for each in answers] == [401] * FEW + [429]


async def test_the_mark_of_a_browser_is_for_one_account_and_cannot_be_made_up(service: RunningService) -> None:
    victim, attacker = await service.person(), await service.person()
    await guesses(service, victim.username, HOME, FEW)
    mark = attacker.client.cookies["sid_device"]
    body, _, signature = mark.rpartition(".")
    other = victim.client.cookies["sid_device"]
    forged = other.partition("_")[0] + "_" + body.partition("_")[2] + "." + signature
    for cookie in (mark, forged, f"{body}.", "x" * 600, session_of(victim.client)):
        browser = service.client(cookies={"sid_device": cookie}, headers={"X-Forwarded-For": HOME})
        assert (await log_in(browser, victim.username)).status_code == 429
    assert len({mark, other}) == 2


async def test_one_place_may_not_try_every_name(service: RunningService) -> None:
    person = await service.person()
    names = [f"name-{number}" for number in range(ONE_PLACE.attempts + 5)]
    client = service.client(headers={"X-Forwarded-For": HOME})
    with no_guess_right(service):
        statuses = [(await log_in(client, name, WRONG)).status_code for name in names]
    assert Counter(statuses) == {401: ONE_PLACE.attempts, 429: 5}
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 429
    assert (await guess(service, person.username, ELSEWHERE, PASSWORD)).status_code == 200


async def test_a_household_of_ipv6_is_one_place(service: RunningService) -> None:
    person = await service.person()
    statuses = [
        (await guess(service, person.username, f"2001:db8:1:2:{number:x}::{number}")).status_code
        for number in range(FEW + 2)
    ]
    assert statuses == [401] * FEW + [429] * 2
    assert (await guess(service, person.username, "2001:db8:1:3::1", PASSWORD)).status_code == 200


async def test_what_a_client_says_of_its_address_is_not_believed(database_url: str) -> None:
    async with running(database_url) as service:
        person = await service.person()
        answers = [await guess(service, person.username, f"192.0.2.{number}") for number in range(FEW + 1)]
        assert [each.status_code for each in answers] == [401] * FEW + [429]


async def test_what_a_client_writes_before_its_proxys_address_is_not_believed(service: RunningService) -> None:
    person = await service.person()
    answers = [await guess(service, person.username, f"192.0.2.{number}, {HOME}, 10.0.0.1") for number in range(11)]
    assert [each.status_code for each in answers] == [401] * FEW + [429]
    kept = await person.client.get(f"{AUTH}/sessions", headers={"X-Forwarded-For": "192.0.2.1"})
    assert kept.status_code == 200


async def test_names_and_addresses_are_not_kept(service: RunningService) -> None:
    await guess(service, "hunter2-typed-as-a-name", HOME)
    kept = str(await rows(service.database, "SELECT convert_from(bucket, 'LATIN1'), a::text FROM login_attempts a"))
    assert "hunter2" not in kept
    assert HOME not in kept


async def test_a_try_that_could_not_be_looked_at_is_not_counted(service: RunningService) -> None:
    person = await service.person()

    class FullHasher:
        async def verify(self, _password: str, _password_hash: str | None, _lane: Lane) -> tuple[bool, None]:
            raise Unavailable("Too many people are signing in right now.")

    accounts = service.app.state.accounts
    service.app.state.accounts = replace(accounts, hasher=FullHasher())
    for _ in range(FEW + 2):
        answer = await guess(service, person.username, HOME, PASSWORD)
        assert code_of(answer) == (503, "service_unavailable")
        assert "retry-after" in answer.headers
    service.app.state.accounts = accounts
    assert (await guess(service, person.username, HOME, PASSWORD)).status_code == 200


@pytest.mark.parametrize("signed_in", [False, True])
async def test_a_wrong_password_is_counted_though_it_cannot_be_put_on_record(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, *, signed_in: bool
) -> None:
    """Otherwise whoever keeps the database busy could guess without limit."""
    person = await service.person()

    async def try_with(password: str) -> httpx2.Response:
        if not signed_in:
            return await guess(service, person.username, HOME, password)
        body = {"current_password": password, "new_password": NEW_PASSWORD}
        return await person.client.post(f"{AUTH}/password", json=body)

    monkeypatch.setattr("chatkeep.audit.trail.MAX_WAIT_SECONDS", 0)
    async with service.database.transaction() as connection:
        await audit_queries.lock_all_heads(connection)
        answers = [await try_with(WRONG) for _ in range(FEW)]
    assert [each.status_code for each in answers] == [503] * FEW
    assert code_of(await try_with(PASSWORD)) == (429, "too_many_attempts")


async def test_right_and_wrong_passwords_at_once_never_wait_for_each_other_in_a_circle(
    service: RunningService,
) -> None:
    people = [await service.person() for _ in range(4)]
    for _ in range(3):
        answers = await asyncio.gather(
            *(
                guess(service, person.username, HOME, password)
                for person in people
                for password in (PASSWORD, WRONG, PASSWORD, PASSWORD)
            )
        )
        assert {answer.status_code for answer in answers} <= {200, 401}, [answer.text for answer in answers]


@pytest.mark.parametrize("call", ["password", "me"])
async def test_who_finds_an_open_browser_may_not_guess_without_limit(service: RunningService, call: str) -> None:
    person = await service.person()

    async def try_with(password: str, address: str) -> httpx2.Response:
        headers = {"X-Forwarded-For": address}
        if call == "me":
            return await person.client.request("DELETE", f"{AUTH}/me", json={"password": password}, headers=headers)
        body = {"current_password": password, "new_password": NEW_PASSWORD}
        return await person.client.post(f"{AUTH}/password", json=body, headers=headers)

    answers = [await try_with(WRONG, f"192.0.2.{number}") for number in range(FEW + 1)]
    assert [each.status_code for each in answers] == [401] * FEW + [429]
    answer = await try_with(PASSWORD, HOME)
    assert code_of(answer) == (429, "too_many_attempts")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_stranger_cannot_keep_the_signed_in_owner_from_changing_the_password(service: RunningService) -> None:
    person = await service.person()
    await guesses(service, person.username, "127.0.0.1", FEW + 1)
    answer = await person.client.post(
        f"{AUTH}/password", json={"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    )
    assert answer.status_code == 204


async def test_counters_that_are_over_are_swept_away(service: RunningService, clock: MovableClock) -> None:
    await guess(service, "somebody", HOME)
    clock.advance(WINDOW_SECONDS)
    await cleanup(service.app.state.accounts)
    assert await value(service.database, "SELECT count(*) FROM login_attempts") == 1
    clock.advance(ACCOUNT_FROM_ANYWHERE.window.total_seconds())
    await cleanup(service.app.state.accounts)
    assert await value(service.database, "SELECT count(*) FROM login_attempts") == 0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_place_is_an_address_or_a_household(address: str, place: str) -> None:
    assert place_of(address) == place
