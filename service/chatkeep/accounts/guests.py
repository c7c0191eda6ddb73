"""Guests: users without a name or a password, behind one browser's cookie, until they register or sign in.

Each step is one transaction. If the process dies before its commit, nothing has happened. If it dies between the
commit and the answer:

- `begin_guest`: there is a guest whose cookie nobody has; it is swept away when its time has come;
- `promote_guest`: the account is there with everything, and its password signs in;
- `move_guest`: everything is the account's, the guest is gone, and the password signs in again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import file_queries, guest_queries, queries, session_queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.login_sessions import Client, NewSession, open_session
from chatkeep.accounts.lookalikes import skeleton_digests
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.throttling import counters_for_guest, limit_attempts
from chatkeep.accounts.usernames import character_pairs, username_key
from chatkeep.accounts.users import delete_user, erase_user
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import GuestNotAllowed, Unavailable
from chatkeep.sessions import SessionLimits

SWEPT_AT_ONCE = 100
TOO_MANY_GUESTS = "Too many guests began here: keep the cookie, or sign in."


def require_account(identity: Identity, detail: str) -> None:
    """Refuse a guest, saying why.

    Raises:
        GuestNotAllowed: `detail` says what a guest lacks.
    """
    if identity.is_guest:
        raise GuestNotAllowed(detail)


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest whose row the transaction has locked.

    Args:
        remembered: by the guest's session, such as which conversation is current.
    """

    user: AnyRow
    remembered: Mapping[str, Any]


async def begin_guest(accounts: Accounts, audit: Recorder, client: Client) -> NewSession:
    """Make a guest and open their session. Counted first: a flood must not wait in line for one row and hold
    the connections that others need.

    Raises:
        TooManyAttempts: too many guests began at this place; a program that keeps no cookie would fill the table.
    """
    now, username = accounts.clock(), f"guest-{token_hex(8)}"
    counters = counters_for_guest(client.address)
    async with (
        limit_attempts(accounts.database, accounts.owed_tries, counters, now, refusal=TOO_MANY_GUESTS),
        accounts.database.transaction() as connection,
    ):
        user = await queries.insert_user(
            connection,
            username=username,
            username_key=username_key(username),
            password_hash=None,
            now=now,
            is_guest=True,
        )
        if user is None:
            raise Unavailable("That did not work out. Try again.")  # somebody has 64 random bits as a name
        opened = await open_session(
            connection, user, client, now=now, limits=accounts.limits, replaces=None, remember=True
        )
        await audit.acting_as(user.id).record(connection, Action.GUEST_BEGAN, user.id)
    return opened


async def lock_guest(
    connection: AsyncConnection, digest: bytes | None, *, now: datetime, limits: SessionLimits
) -> Guest | None:
    """Return the guest who has the session, and keep them as they are until the transaction ends.

    Of several sign-ins from one browser at once the first gets the guest; the others find none.

    Args:
        digest: what the asking browser's session is kept under.
    """
    if digest is None:
        return None
    found = await guest_queries.guest_of_session(connection, digest, now, limits)
    if found is None:
        return None
    user = await queries.lock_user(connection, found.id)
    # Asked again under the lock: they may have registered, signed in or signed out in the meantime.
    found = await guest_queries.guest_of_session(connection, digest, now, limits)
    return Guest(user, found.data) if user is not None and found is not None else None


async def promote_guest(
    connection: AsyncConnection, guest: Guest, username: str, password_hash: str, email: str | None
) -> AnyRow | None:
    """Make the guest an account of this name; return it, or None where the name is taken.

    The id stays, and with it everything that is theirs. Every session of the guest ends.
    """
    email = email or guest.user.email
    user = await guest_queries.promote(
        connection,
        guest.user.id,
        {
            "username": username,
            "username_key": username_key(username),
            "password_hash": password_hash,
            "email": email,
            "name_pairs": character_pairs(username, email, guest.user.display_name),
            "name_skeletons": skeleton_digests(username),
        },
    )
    if user is not None:
        await session_queries.end_sessions_of(connection, guest.user.id)
    return user


async def move_guest(connection: AsyncConnection, guest: Guest, account_id: UUID) -> None:
    """Give everything that the guest said to the account, whose row is locked, and delete the guest.

    Locks are taken as everywhere: users, conversations, turns, sessions, counters. A concurrent write of the guest's
    is either done before, and is moved, or waits and then finds the guest gone.

    A legal hold goes along: what the guest said has to stay.

    A reply that is being generated goes on: its turn keeps its process, which finds it again by its id, see
    `chatkeep.chat.history.store`.

    Raises:
        DatabaseUnavailable: a conversation was begun and written to within these milliseconds; nothing has changed.
    """
    guest_id = guest.user.id
    await guest_queries.lock_content(connection, guest_id)
    await session_queries.end_sessions_of(connection, guest_id)
    counters = await guest_queries.lock_counters(connection, guest_id)
    # A new conversation passes the counters, so now there is no more of them. One that was begun since the
    # first lock may be held by somebody who waits for the counters: it is not waited for.
    await guest_queries.lock_content(connection, guest_id, wait=False)
    for table in guest_queries.MOVED:
        await guest_queries.copy_rows(connection, table, guest_id, account_id)
    await file_queries.add_usage_of(connection, guest_id, account_id)
    if guest.user.legal_hold:
        await queries.update_user(connection, account_id, {"legal_hold": True})
    await erase_user(connection, guest_id, despite_hold=True)
    await guest_queries.add_counters(connection, account_id, counters)


async def sweep_guests(database: Database, audit: Recorder, unused_since: datetime) -> int:
    """Delete the guests who were last used before `unused_since`, with all their data; return how many.

    Each guest is a transaction of its own: a process that dies leaves the others for the next sweep.
    """
    swept, after = 0, None
    while True:
        async with database.transaction() as connection:
            found = await guest_queries.unused_guests(connection, unused_since, after=after, limit=SWEPT_AT_ONCE)
        for guest_id in found:
            async with database.transaction() as connection:
                if await guest_queries.lock_unused_guest(connection, guest_id, unused_since):
                    await delete_user(connection, audit, guest_id)
                    swept += 1
        if len(found) < SWEPT_AT_ONCE:
            return swept
        after = found[-1]
