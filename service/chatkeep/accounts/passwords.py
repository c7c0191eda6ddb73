"""Passwords: which are good enough, and how they are kept."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from passlib.context import CryptContext
from passlib.hash import argon2, bcrypt
from zxcvbn import zxcvbn

from chatkeep.accounts.hash_lanes import HashLanes, Lane
from chatkeep.errors import Unavailable, WeakPassword

MIN_CHARACTERS = 8
MAX_CHARACTERS = 128
# By zxcvbn's estimate. Its list of common passwords is 30,000 long; this is above all of them, capitalised or not.
MIN_GUESSES = 100_000
# Its time grows much faster than the length: a password that is good this far is good.
JUDGED_CHARACTERS = 24

HASHES_AT_ONCE = 2
HASHES_WAITING = 60
# Of each lane of strangers. One thread at most works for both.
MAX_STRANGERS_WAITING = 30
# Of one account among the known: with the right password, anybody could fill that lane by signing in again and again.
MAX_KNOWN_OF_ONE_ACCOUNT = 4
MAX_WAIT_SECONDS = 10
BCRYPT_BYTES = 72
ARGON2_VERSION = 19

Answer = TypeVar("Answer")
Key = TypeVar("Key", bound=Hashable)

# Errors of passlib about hashes that are damaged, or of a kind it does not know.
_UNREADABLE = (ValueError, TypeError, AssertionError, MemoryError)

# zxcvbn keeps the name that it was given in a dictionary of its own, for all threads.
_judging = threading.Lock()


def require_strong(password: str, username: str) -> None:
    """Refuse a password that is short, common, or the name itself. It takes some tens of milliseconds.

    Raises:
        WeakPassword: says which.

    Source: NIST SP 800-63B, section 5.1.1.2: a length and a list, no rules of composition.
    """
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(f"A password has at least {MIN_CHARACTERS} characters.")
    if len(password) > MAX_CHARACTERS:
        raise WeakPassword(f"A password has at most {MAX_CHARACTERS} characters.")
    with _judging:
        judged = zxcvbn(password[:JUDGED_CHARACTERS], user_inputs=[username])
    if judged["guesses"] < MIN_GUESSES:
        raise WeakPassword("That password is among the first that anyone would try. Choose a longer one.")


class PasswordHasher:
    """Hashes in a few threads of its own: 19 MiB and some tens of milliseconds each. See `hash_lanes` for who waits
    for whom.

    New hashes are argon2id at OWASP's minimum (19 MiB, 2 passes, 1 lane). bcrypt, PBKDF2-SHA256 and scrypt
    hashes from elsewhere verify, and `verify` returns their replacement.

    Source: OWASP Password Storage Cheat Sheet.
    """

    def __init__(self, *, memory_kib: int = 19 * 1024, passes: int = 2) -> None:
        self._work = memory_kib * passes
        self._context = CryptContext(
            schemes=["argon2", "bcrypt", "pbkdf2_sha256", "scrypt"],
            argon2__type="ID",
            argon2__memory_cost=memory_kib,
            argon2__time_cost=passes,
            argon2__parallelism=1,
        )
        self._lanes = HashLanes()
        self._under_way: Counter[Lane] = Counter()
        self._known: Counter[str] = Counter()

    async def warm_up(self) -> None:
        """Load the libraries and make the hash that unknown names are checked against."""
        await self._in_thread(Lane.KNOWN, self._context.dummy_verify)

    def close(self) -> None:
        self._lanes.close()

    def require_room(self, lane: Lane) -> None:
        """Refuse at once where the lane is full, before anything else is done for the request.

        Raises:
            Unavailable: too many hashes are waiting already.
        """
        waiting = HASHES_WAITING if lane is Lane.KNOWN else MAX_STRANGERS_WAITING
        if self._under_way[lane] >= HASHES_AT_ONCE + waiting:
            raise Unavailable("Too many people are signing in right now. Try again in a few seconds.")

    async def hash(self, password: str, lane: Lane = Lane.KNOWN) -> str:
        """Return an argon2id hash.

        Raises:
            Unavailable: too many hashes are waiting already.
        """
        return await self._in_thread(lane, lambda: self._hash(password))

    async def hash_new(self, password: str, username: str, lane: Lane = Lane.KNOWN) -> str:
        """Return the hash of a password that somebody chooses.

        Raises:
            WeakPassword: see `require_strong`.
            Unavailable: too many hashes are waiting already.
        """

        def judge_and_hash() -> str:
            require_strong(password, username)
            return self._hash(password)

        return await self._in_thread(lane, judge_and_hash)

    async def verify(
        self, password: str, password_hash: str | None, lane: Lane = Lane.KNOWN
    ) -> tuple[bool, str | None]:
        """Return whether the password is right, and a new hash where the kept one is out of date.

        Where there is no hash, the same work is done for nothing: the time must not tell that a name is unknown.

        Raises:
            Unavailable: too many hashes are waiting already.
        """
        account = password_hash if lane is Lane.KNOWN else None
        if account is None or self._known[account] >= MAX_KNOWN_OF_ONE_ACCOUNT:
            return await self._in_thread(Lane.SIGN_IN, lambda: self._verify(password, password_hash))
        with _counted(self._known, account):
            return await self._in_thread(Lane.KNOWN, lambda: self._verify(password, password_hash))

    def _hash(self, password: str) -> str:
        return str(self._context.hash(password))

    def _verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        if password_hash is None:
            return self._matches_nobody(), None
        if not self._matches(password, password_hash):
            return False, None
        return True, self._hash(password) if self._is_outdated(password_hash) else None

    def _matches(self, password: str, password_hash: str) -> bool:
        secret = password.encode()
        if bcrypt.identify(password_hash):
            # The maker of such a hash looked at no more than this, and bcrypt refuses to be given more.
            secret = secret[:BCRYPT_BYTES]
        try:
            return bool(self._context.verify(secret, password_hash))
        except _UNREADABLE:
            return self._matches_nobody()

    def _matches_nobody(self) -> bool:
        return bool(self._context.dummy_verify())

    def _is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash takes less work than ours; one that takes more is left as it is."""
        if not argon2.identify(password_hash):
            return True
        kept = argon2.from_string(password_hash)
        return bool(kept.type != "id" or kept.version < ARGON2_VERSION or kept.memory_cost * kept.rounds < self._work)

    async def _in_thread(self, lane: Lane, work: Callable[[], Answer]) -> Answer:
        self.require_room(lane)
        with _counted(self._under_way, lane):
            try:
                async with asyncio.timeout(MAX_WAIT_SECONDS):
                    return await asyncio.wrap_future(self._lanes.submit(lane, work))
            except TimeoutError:
                raise Unavailable("Signing in takes too long just now. Try again in a few seconds.") from None


@contextmanager
def _counted(counts: Counter[Key], key: Key) -> Iterator[None]:
    counts[key] += 1
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
