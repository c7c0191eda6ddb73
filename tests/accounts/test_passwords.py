import asyncio
import random
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from passlib.context import CryptContext
from passlib.hash import argon2, bcrypt
from zxcvbn import zxcvbn
from zxcvbn.matching import RANKED_DICTIONARIES

from chatkeep.accounts import passwords
from chatkeep.accounts.passwords import PasswordHasher, require_strong
from chatkeep.errors import Unavailable, WeakPassword
from tests.support.patience import patience

LONG_PASSWORD = "長い合言葉" * 8  # 120 bytes


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    with patience():
        yield


@pytest.fixture
async def hasher() -> AsyncIterator[PasswordHasher]:
    """One that works little."""
    hasher = PasswordHasher(memory_kib=8, passes=1)
    yield hasher
    hasher.close()


async def test_new_hashes_are_argon2id_at_owasps_minimum_or_above() -> None:
    hasher = PasswordHasher()
    kept = argon2.from_string(await hasher.hash("a password"))
    hasher.close()
    assert (kept.type, kept.version) == ("id", 19)
    assert kept.memory_cost >= 19 * 1024
    assert kept.rounds >= 2


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_a_bcrypt_hash_looks_at_72_bytes_as_it_always_did(hasher: PasswordHasher, prefix: str) -> None:
    kept = bcrypt.using(rounds=4).hash(LONG_PASSWORD.encode()[:72])
    kept = prefix + kept[4:]
    matches, new = await hasher.verify(LONG_PASSWORD, kept)
    assert matches
    assert (await hasher.verify(LONG_PASSWORD[:24] + "other", kept))[0]
    assert not (await hasher.verify(LONG_PASSWORD[1:], kept))[0]
    # From then on all of it counts.
    assert (await hasher.verify(LONG_PASSWORD, new))[0]
    assert not (await hasher.verify(LONG_PASSWORD[:24] + "other", new))[0]


@pytest.mark.parametrize(
    ("settings", "outdated"),
    [
        ({"type": "ID", "memory_cost": 64 * 1024, "rounds": 3, "parallelism": 4}, False),
        ({"type": "ID", "memory_cost": 46 * 1024, "rounds": 1, "parallelism": 1}, False),
        ({"type": "ID", "memory_cost": 19 * 1024, "rounds": 2, "parallelism": 1}, False),
        ({"type": "ID", "memory_cost": 19 * 1024, "rounds": 1, "parallelism": 1}, True),
        ({"type": "ID", "memory_cost": 8 * 1024, "rounds": 2, "parallelism": 1}, True),
        ({"type": "I", "memory_cost": 19 * 1024, "rounds": 2, "parallelism": 1}, True),
        ({"type": "D", "memory_cost": 64 * 1024, "rounds": 3, "parallelism": 1}, True),
    ],
)
async def test_a_hash_is_made_stronger_and_never_weaker(settings: dict[str, object], outdated: bool) -> None:
    hasher = PasswordHasher()
    matches, new = await hasher.verify("a password", argon2.using(**settings).hash("a password"))
    hasher.close()
    assert matches
    assert (new is not None) == outdated


@pytest.mark.filterwarnings("ignore:encountered a bcrypt")
async def test_damaged_hashes_fit_no_password_and_raise_nothing(hasher: PasswordHasher) -> None:
    choices = random.Random(20261122)
    whole = [
        argon2.using(type="ID", memory_cost=8, rounds=1, parallelism=1).hash("right"),
        bcrypt.using(rounds=4).hash("right"),
        CryptContext(["pbkdf2_sha256"], pbkdf2_sha256__rounds=10).hash("right"),
        CryptContext(["scrypt"], scrypt__rounds=3).hash("right"),
    ]
    assert [(await hasher.verify("right", each))[0] for each in whole] == [True] * 4
    damaged = [each[:length] for each in whole for length in range(0, len(each), 3)]
    for each in whole:
        for _ in range(60):
            place, character = choices.randrange(len(each)), choices.choice("$=,.! é\0日-")
            damaged += [each[:place] + character + each[place:], each[:place] + character + each[place + 1 :]]
        damaged += [re.sub(r"\d+", number, each, count=3) for number in ("0", "-1", "99999999999", "")]
    for each in damaged:
        assert (await hasher.verify("wrong", each)) == (False, None), each


async def test_at_most_two_hashes_at_once_in_threads_of_their_own(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, threads, lock = 0, 0, set(), threading.Lock()
    done = threading.Event()

    def slow_hash(_context: CryptContext, _secret: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            threads.add(threading.current_thread().name)
        done.wait(5)
        with lock:
            running -= 1
        return "hash"

    monkeypatch.setattr(CryptContext, "hash", slow_hash)
    hashes = [asyncio.create_task(hasher.hash("a password")) for _ in range(12)]
    for _ in range(20):  # the loop goes on while they work
        await asyncio.sleep(0.005)
    assert running == 2
    done.set()
    await asyncio.gather(*hashes)
    assert most == 2
    assert all(name.startswith("hash") for name in threads)


async def test_waiting_for_a_hash_is_bounded_in_number_and_in_time(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setattr(CryptContext, "hash", lambda _context, _secret: str(done.wait(5)))
    monkeypatch.setattr(passwords, "MAX_WAIT_SECONDS", 0.2)
    places = passwords.HASHES_AT_ONCE + passwords.HASHES_WAITING
    hashes = [asyncio.create_task(hasher.hash("a password")) for _ in range(places)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await hasher.hash("one too many")
    found = await asyncio.gather(*hashes, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in found)
    done.set()
    monkeypatch.undo()
    # Whoever gave up waiting took no place with them.
    assert all(await asyncio.gather(*(hasher.hash("a password") for _ in range(places))))


async def test_every_common_password_of_the_list_is_refused() -> None:
    common = [word for word in RANKED_DICTIONARIES["passwords"] if len(word) >= passwords.MIN_CHARACTERS]
    assert len(common) > 10_000
    sample = random.Random(7).sample(common, 300)
    for word in (*common[:100], *sample, *common[-100:]):
        for spelling in (word, word.capitalize()):
            with pytest.raises(WeakPassword):
                require_strong(spelling, "somebody")


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "q7#Lm2!x", "s3cret-pass", "alice-password", "a" * 8 + "9!Zk3#pQ"]
)
def test_good_passwords_are_taken(password: str) -> None:
    require_strong(password, "somebody")


@pytest.mark.parametrize(
    "password",
    [
        "/$[&85139+|+$5$+!!{<<4[#{9&824@@60<<+3&0$!<89(<6(#$++{68<2&4#|8<" * 2,
        "4@8({[<369&#!|1/0+$5%2aeiosltbgczx" * 3,
        "ab" * 64,
        "1!i|l7t+" * 16,
    ],
)
def test_judging_takes_little_work_however_long_the_password(password: str) -> None:
    """Substitutions for letters, of which zxcvbn tries many combinations."""
    require_strong("and now the word lists are loaded", "somebody")
    before = time.thread_time()
    with suppress(WeakPassword):
        require_strong(password[: passwords.MAX_CHARACTERS], "somebody")
    assert time.thread_time() - before < 1  # all of it would take several seconds


async def test_names_are_judged_one_at_a_time(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library keeps the name that it was given where all threads see it."""
    judging = threading.Semaphore(1)

    def judge(password: str, user_inputs: list[str]) -> dict[str, object]:
        assert judging.acquire(blocking=False), "two at once"
        time.sleep(0.01)
        judged = zxcvbn(password, user_inputs=user_inputs)
        judging.release()
        return dict(judged)

    monkeypatch.setattr(passwords, "zxcvbn", judge)
    names = [f"zaphkielith{letter}" for letter in "abcdefgh"]
    judged = await asyncio.gather(*(hasher.hash_new(name, name) for name in names), return_exceptions=True)
    assert [type(each) for each in judged] == [WeakPassword] * len(names)
