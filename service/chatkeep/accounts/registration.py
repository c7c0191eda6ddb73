"""New accounts: one that somebody registers, and one that an operator makes. Each is one transaction.

If the process dies before the commit, nothing has happened. If it dies between the commit and the answer, the account
is there, and its password signs in.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.guests import lock_guest, promote_guest
from chatkeep.accounts.hash_lanes import Lane
from chatkeep.accounts.login_sessions import Client, NewSession, open_session
from chatkeep.accounts.names import NAME_TAKEN, require_distinct, require_likely_free
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.throttling import counters_for_registration, delay_refusals, limit_attempts
from chatkeep.accounts.usernames import require_username, username_key
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import RegistrationClosed, UsernameTaken
from chatkeep.statistics.outbox import note_user

TOO_MANY_REGISTRATIONS = "Too many accounts were made from your network. An administrator can make one for you."


async def register(
    accounts: Accounts,
    audit: Recorder,
    username: str,
    password: str,
    email: str | None,
    client: Client,
    *,
    replaces: bytes | None,
) -> NewSession:
    """Make an account and sign it in; the session with the digest `replaces` ends.

    A guest's session makes the guest the account, with everything that is theirs.

    Raises:
        RegistrationClosed, WeakPassword, Invalid: the name is not one.
        UsernameTaken: somebody has the name, or one that looks like it.
        TooManyAttempts: too many people registered at this place; a program could fill the table, and the threads
            that check passwords.
        Unavailable: too many people register right now.
    """
    if not accounts.allow_registration:
        raise RegistrationClosed("This service takes no new accounts. Ask its administrator for one.")
    require_username(username)
    password_hash = await _hash_of_stranger(accounts, username, password, client)
    async with accounts.database.transaction() as connection:
        now, limits = accounts.clock(), accounts.limits
        guest = await lock_guest(connection, replaces, now=now, limits=limits)
        await require_distinct(connection, username)
        if guest is None:
            user = await insert_account(connection, NewAccount(username, "user", email), password_hash, now)
        else:
            user = _require_free(await promote_guest(connection, guest, username, password_hash, email))
            await note_user(connection, user.id, now)
        opened = await open_session(
            connection,
            user,
            client,
            now=now,
            limits=limits,
            replaces=replaces,
            remember=False,
            data=guest.remembered if guest else None,
        )
        await audit.acting_as(user.id).record(
            connection, Action.ACCOUNT_CREATED, user.id, signed_in=True, was_guest=guest is not None
        )
    return opened


async def _hash_of_stranger(accounts: Accounts, username: str, password: str, client: Client) -> str:
    """Return the first hash of a new account, where the counters and the threads have room for it."""
    counters = counters_for_registration(client.address, accounts.max_registrations_per_hour)
    gate, now = accounts.strangers_gate, accounts.clock()
    counted = limit_attempts(
        accounts.database, accounts.owed_tries, counters, now, refusal=TOO_MANY_REGISTRATIONS, gate=gate
    )
    async with delay_refusals():
        accounts.hasher.require_room(Lane.NEW)
        async with counted:
            async with gate, accounts.database.transaction() as connection:
                await require_likely_free(connection, username)
            return await accounts.hasher.hash_new(password, username, Lane.NEW)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that an operator makes; with `may_look_alike`, its name may look like another user's."""

    username: str
    role: str
    email: str | None
    may_look_alike: bool = False


async def create_user(
    database: Database, hasher: PasswordHasher, audit: Recorder, new: NewAccount, password: str, now: datetime
) -> UUID:
    """Make an account as an operator does.

    Raises:
        WeakPassword, Invalid, UsernameTaken, Unavailable: as `register`.
    """
    password_hash = await hasher.hash_new(password, require_username(new.username))
    return await create_user_with_hash(database, audit, new, password_hash, now)


async def create_user_with_hash(
    database: Database, audit: Recorder, new: NewAccount, password_hash: str, now: datetime
) -> UUID:
    """Make an account whose password another system hashed, as an operator does.

    Raises:
        UsernameTaken: somebody has the name, or one that looks like it.
    """
    async with database.transaction() as connection:
        if not new.may_look_alike:
            await require_distinct(connection, new.username)
        user = await insert_account(connection, new, password_hash, now)
        await audit.record(connection, Action.ACCOUNT_CREATED, user.id, role=new.role)
    user_id: UUID = user.id
    return user_id


async def insert_account(
    connection: AsyncConnection, new: NewAccount, password_hash: str | None, now: datetime
) -> AnyRow:
    """Keep a new account.

    Raises:
        Invalid: the name is not one. UsernameTaken.
    """
    return _require_free(
        await queries.insert_user(
            connection,
            username=new.username,
            username_key=username_key(require_username(new.username)),
            password_hash=password_hash,
            now=now,
            email=new.email,
            role=new.role,
        )
    )


def _require_free(user: AnyRow | None) -> AnyRow:
    if user is None:
        raise UsernameTaken(NAME_TAKEN)
    return user
