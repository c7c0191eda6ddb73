"""Links that set a password: an administrator hands one to somebody who is new, or who forgot the password.

A link is worth as much as the password. So it works once and for a day; a new one ends the one before it; the database
keeps only a digest of its secret; and using it ends every session and token, which may be an intruder's. The secret
stands behind the `#` of the address: browsers send that to no server, so that no log and no proxy has it.

If the process dies before the commit, the link still works. If it dies between the commit and the answer, the password
is set, and signs in.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import link_queries, queries
from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.hash_lanes import Lane
from chatkeep.accounts.login_sessions import Client, NewSession, open_session
from chatkeep.accounts.names import require_distinct
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.registration import NewAccount, insert_account
from chatkeep.accounts.sign_in import replace_password
from chatkeep.accounts.throttling import counters_for_link, delay_refusals, limit_attempts
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.errors import IsGuest, LinkEnded, NotFound
from chatkeep.sessions import digest_of, new_secret

LINK_LIFETIME = timedelta(days=1)
PAGE = "/set-password"
ENDED = "This link was used, replaced by a newer one, or is more than a day old. Ask an administrator for another one."

Kind = Literal["invitation", "reset"]


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link that was just made: its secret is kept nowhere."""

    secret: str
    expires_at: datetime

    @property
    def path(self) -> str:
        return f"{PAGE}#{self.secret}"


async def invite(connection: AsyncConnection, audit: Recorder, new: NewAccount, now: datetime) -> tuple[UUID, NewLink]:
    """Make an account without a password, and a link to set one.

    Raises:
        Invalid: the name is not one. UsernameTaken: somebody has it, or one that looks like it.
    """
    if not new.may_look_alike:
        await require_distinct(connection, new.username)
    user = await insert_account(connection, new, None, now)
    await audit.record(connection, Action.ACCOUNT_CREATED, user.id, role=new.role)
    return user.id, await create_link(connection, audit, user.id, "invitation", now)


async def create_link(
    connection: AsyncConnection, audit: Recorder, user_id: UUID, kind: Kind, now: datetime
) -> NewLink:
    """Make a link for a user; the one before it ends. The password stays as it is until the link is used.

    Raises:
        NotFound: no such user. IsGuest: a guest, who has to register.
    """
    user = await queries.lock_user(connection, user_id)
    if user is None:
        raise NotFound
    if user.is_guest:
        raise IsGuest("A guest cannot have a password. They have to register first.")
    link = NewLink(new_secret(), now + LINK_LIFETIME)
    await link_queries.delete_links_of(connection, user_id)
    await link_queries.insert_link(
        connection, digest_of(link.secret), user_id=user_id, kind=kind, now=now, expires_at=link.expires_at
    )
    await audit.record(connection, Action.PASSWORD_LINK_CREATED, user_id, kind=kind)
    return link


async def read_link(accounts: Accounts, secret: str, client: Client) -> AnyRow:
    """Return the user whose password a link sets, and until when.

    Raises:
        LinkEnded: it does not work, for whatever reason. TooManyAttempts.
    """
    async with delay_refusals(), _counted(accounts, client):
        return await _require_link(accounts, secret)


async def use_link(
    accounts: Accounts, audit: Recorder, secret: str, password: str, client: Client, *, replaces: bytes | None
) -> NewSession:
    """Set the password that a link is for, end everything that was signed in, and sign in.

    Raises:
        LinkEnded: it does not work, for whatever reason; of two requests at once, one gets this.
        WeakPassword: the link goes on working. TooManyAttempts, Unavailable.
    """
    async with delay_refusals(), _counted(accounts, client):
        user = await _require_link(accounts, secret)
        new_hash = await accounts.hasher.hash_new(password, user.username, Lane.NEW)
    async with accounts.database.transaction() as connection:
        now, limits = accounts.clock(), accounts.limits
        locked = await queries.lock_user(connection, user.id)
        taken = await link_queries.take_link(connection, digest_of(secret), user.id, now)
        if locked is None or locked.disabled or not taken:
            raise LinkEnded(ENDED)
        await replace_password(connection, user.id, new_hash)
        opened = await open_session(
            connection, locked, client, now=now, limits=limits, replaces=replaces, remember=False
        )
        await audit.acting_as(user.id).record(connection, Action.PASSWORD_CHANGED, user.id, by_link=True)
    return opened


def _counted(accounts: Accounts, client: Client) -> AbstractAsyncContextManager[None]:
    return limit_attempts(accounts.database, accounts.owed_tries, counters_for_link(client.address), accounts.clock())


async def _require_link(accounts: Accounts, secret: str) -> AnyRow:
    async with accounts.database.transaction() as connection:
        user = await link_queries.user_of_link(connection, digest_of(secret), accounts.clock())
    if user is None:
        raise LinkEnded(ENDED)
    return user
