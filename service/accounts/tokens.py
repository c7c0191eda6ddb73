"""Access tokens: made by somebody who is signed in, for programs that are not."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from service.accounts import queries, token_queries
from service.accounts.accounts import Accounts
from service.accounts.guests import require_account
from service.accounts.identity import TOKEN_PREFIX, Identity
from service.accounts.queries import AnyRow
from service.audit.actions import Action
from service.audit.trail import Recorder
from service.errors import Invalid, NotAuthenticated
from service.sessions import digest_of, new_secret
from service.sessions.queries import session_exists


async def create_token(
    accounts: Accounts, audit: Recorder, identity: Identity, name: str, expires_at: datetime | None
) -> tuple[AnyRow, str]:
    """Make an access token; return its row, and its secret, which is kept nowhere.

    Raises:
        GuestNotAllowed: a token would outlive the browser that is all that makes a guest.
        Invalid: `expires_at` is in the past.
        NotAuthenticated: who asks was signed out, or changed the password, at this moment.
    """
    require_account(identity, "A guest has no access tokens. Register first.")
    now = accounts.clock()
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires_at is in the past.")
    secret = TOKEN_PREFIX + new_secret()
    async with accounts.database.transaction() as connection:
        await _require_still_signed_in(connection, identity)
        row = await token_queries.insert_token(
            connection, digest_of(secret), user_id=identity.user_id, name=name, now=now, expires_at=expires_at
        )
        await audit.record(connection, Action.TOKEN_CREATED, identity.user_id, token_id=str(row.id))
    return row, secret


async def _require_still_signed_in(connection: AsyncConnection, identity: Identity) -> None:
    """A change of password ends every token: none may be made by a request that was under way."""
    user = await queries.lock_user(connection, identity.user_id)
    if identity.from_outside:
        if user is None or user.disabled:
            raise NotAuthenticated("This account was disabled at this moment.")
        return
    exists = session_exists if identity.by_session else token_queries.token_exists
    if not await exists(connection, identity.digest):
        raise NotAuthenticated("You were signed out at this moment.")
