"""Signing in and out, and what changes a password: each one transaction.

If the process dies before the commit, nothing has happened and the client was told nothing. If it dies between
the commit and the answer, there is a session (or an account) whose cookie nobody has: signing in again works,
and the row ends by itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import link_queries, queries, session_queries, token_queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.failed_logins import refusals_on_record
from chatkeep.accounts.familiarity import lane_of
from chatkeep.accounts.guests import lock_guest, move_guest, require_account
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.login_sessions import Client, NewSession, open_session
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.throttling import (
    counters_for,
    counters_for_signed_in,
    forgive_attempt,
    limit_attempts,
)
from chatkeep.accounts.usernames import username_key
from chatkeep.accounts.users import delete_user
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import InvalidCredentials, IsGuest, NoPassword, NotAuthenticated

WRONG_PASSWORD = "The username or the password is wrong."  # noqa: S105  a sentence


async def log_in(
    accounts: Accounts,
    audit: Recorder,
    username: str,
    password: str,
    client: Client,
    *,
    replaces: bytes | None,
    remember: bool,
) -> NewSession:
    """Sign in with a new session; the one with the digest `replaces` ends: a planted cookie is worth nothing.

    From a guest's session everything that the guest said goes to the account. It was said in this browser: a
    stranger who plants a guest's cookie in somebody's browser gives them conversations, and learns nothing.

    Raises:
        InvalidCredentials: the same, after the same work, for an unknown name and for a wrong password.
        TooManyAttempts: the right password waits, too; otherwise guessing would go on.
        Unavailable: too many people sign in right now.
    """
    key = username_key(username)
    device = accounts.device_cookie.read(client.device_cookie, key)
    counters = counters_for(key, client.address, device)
    counted = limit_attempts(accounts.database, accounts.owed_tries, counters, accounts.clock())
    async with refusals_on_record(accounts.database, audit, key), counted:
        async with accounts.database.transaction() as connection:
            user = await queries.user_by_key(connection, key)
            lane = await lane_of(connection, user, client.address, device)
        matches, new_hash = await accounts.hasher.verify(password, user.password_hash if user else None, lane)
        if user is None or not matches:
            raise InvalidCredentials(WRONG_PASSWORD)
        async with accounts.database.transaction() as connection:
            await _lock_verified(accounts.hasher, connection, user, password)
            if new_hash is not None:
                await queries.update_user(connection, user.id, {"password_hash": new_hash})
            now, limits = accounts.clock(), accounts.limits
            guest = await lock_guest(connection, replaces, now=now, limits=limits)
            if guest is not None:
                await move_guest(connection, guest, user.id)
            opened = await open_session(
                connection,
                user,
                client,
                now=now,
                limits=limits,
                replaces=replaces,
                remember=remember,
                data=guest.remembered if guest else None,
            )
            await forgive_attempt(connection, counters)
            audit = audit.acting_as(user.id)
            if guest is not None:
                await audit.record(connection, Action.GUEST_MOVED, guest.user.id, user.id)
            await audit.record(connection, Action.SIGNED_IN, user.id)
    return opened


async def log_out(database: Database, audit: Recorder, digest: bytes) -> None:
    """End the session; a copy of its cookie is worth nothing from now on."""
    async with database.transaction() as connection:
        user_id = await session_queries.end_session(connection, digest)
        if user_id is not None:
            await audit.acting_as(user_id).record(connection, Action.SIGNED_OUT, user_id)


async def require_password(accounts: Accounts, audit: Recorder, user_id: UUID, password: str) -> AnyRow:
    """Return the user whose password this is: who finds an open browser may not guess without limit.

    Raises:
        NoPassword: a server in front signs the user in.
        InvalidCredentials, TooManyAttempts, Unavailable: as `log_in`.
    """
    counters = counters_for_signed_in(user_id)
    counted = limit_attempts(accounts.database, accounts.owed_tries, counters, accounts.clock())
    async with _failed_checks_on_record(accounts.database, audit, user_id), counted:
        async with accounts.database.transaction() as connection:
            user = await queries.user_by_id(connection, user_id)
        if user is None:
            raise NotAuthenticated("This account is gone.")
        if user.password_hash is None:
            raise NoPassword("This account has no password here: what signs it in stands in front of this service.")
        matches, _ = await accounts.hasher.verify(password, user.password_hash)
        if not matches:
            raise InvalidCredentials("The password is wrong.")
        async with accounts.database.transaction() as connection:
            await forgive_attempt(connection, counters)
    return user


@asynccontextmanager
async def _failed_checks_on_record(database: Database, audit: Recorder, user_id: UUID) -> AsyncIterator[None]:
    """Record a password that the block refuses. Around the counting, as `refusals_on_record` is."""
    try:
        yield
    except InvalidCredentials:
        async with database.transaction() as connection:
            await audit.record(connection, Action.PASSWORD_CHECK_FAILED, user_id)
        raise


async def change_password(
    accounts: Accounts, audit: Recorder, identity: Identity, current: str, new: str, client: Client
) -> NewSession | None:
    """Change the password; every session and token ends, and the asking session gets a new id.

    Returns:
        The session that takes the place of the asking one, or None where a token asked.

    Raises:
        GuestNotAllowed: a guest has no password.
        InvalidCredentials, TooManyAttempts, NoPassword: as `require_password`, about the current password.
        WeakPassword: the new one is too easy to guess.
        Unavailable: too many hashes are waiting already.
    """
    require_account(identity, "A guest has no password to change. Register to get one.")
    user = await require_password(accounts, audit, identity.user_id, current)
    new_hash = await accounts.hasher.hash_new(new, user.username)
    async with accounts.database.transaction() as connection:
        await _lock_verified(accounts.hasher, connection, user, current)
        await replace_password(connection, user.id, new_hash)
        opened = None
        if identity.by_session:
            now, limits, remember = accounts.clock(), accounts.limits, identity.remember
            opened = await open_session(
                connection, user, client, now=now, limits=limits, replaces=None, remember=remember
            )
        await audit.record(connection, Action.PASSWORD_CHANGED, user.id)
    return opened


async def set_password(database: Database, hasher: PasswordHasher, audit: Recorder, username: str, new: str) -> None:
    """Set a password as an operator does; every session and token of the user ends.

    Raises:
        NotFound: no such user. IsGuest: a guest, who has to register. WeakPassword, Unavailable.
    """
    new_hash = await hasher.hash_new(new, username)
    async with database.transaction() as connection:
        user = await queries.require_user_by_key(connection, username_key(username))
        locked = await queries.lock_user(connection, user.id)
        if locked is not None and locked.is_guest:
            raise IsGuest("A guest cannot have a password. They have to register first.")
        await replace_password(connection, user.id, new_hash)
        await audit.record(connection, Action.PASSWORD_CHANGED, user.id)


async def delete_account(accounts: Accounts, audit: Recorder, identity: Identity, password: str) -> None:
    """Delete the user and all their data.

    A guest is not asked for a password, nor is whom a server in front signs in: there is none.

    Raises:
        InvalidCredentials, TooManyAttempts, NoPassword, Unavailable: as `require_password`.
        LastAdministrator, LegalHold: as `delete_user`.
    """
    none_to_ask_for = identity.is_guest or identity.by_proxy
    if none_to_ask_for and await _delete_without_password(accounts.database, audit, identity.user_id):
        return
    user = await require_password(accounts, audit, identity.user_id, password)
    async with accounts.database.transaction() as connection:
        await _lock_verified(accounts.hasher, connection, user, password)
        await delete_user(connection, audit, user.id)


async def _delete_without_password(database: Database, audit: Recorder, user_id: UUID) -> bool:
    """Delete a user who has no password; False where there is one by now."""
    async with database.transaction() as connection:
        user = await queries.lock_user(connection, user_id)
        if user is None or user.password_hash is not None:
            return False
        await delete_user(connection, audit, user_id)
    return True


async def _lock_verified(hasher: PasswordHasher, connection: AsyncConnection, user: AnyRow, password: str) -> None:
    """Lock the user whose password was just verified; refuse where it is no longer right, or the user disabled."""
    now = await queries.lock_user(connection, user.id)
    if now is None or now.disabled:
        raise InvalidCredentials(WRONG_PASSWORD)
    if now.password_hash != user.password_hash:
        # By a change of password, or by a sign-in at the same moment that brought the hash up to date.
        matches, _ = await hasher.verify(password, now.password_hash)
        if not matches:
            raise InvalidCredentials(WRONG_PASSWORD)


async def replace_password(connection: AsyncConnection, user_id: UUID, new_hash: str) -> None:
    """Keep a new password, and end what the old one opened: sessions, tokens, and links that would set another one."""
    await link_queries.delete_links_of(connection, user_id)
    await queries.update_user(connection, user_id, {"password_hash": new_hash})
    await session_queries.end_sessions_of(connection, user_id)
    await token_queries.delete_tokens_of(connection, user_id)
