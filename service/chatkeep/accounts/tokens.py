"""Access tokens: made by somebody who is signed in, for programs that are not."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries, token_queries
from chatkeep.accounts.accounts import TokenLimits
from chatkeep.accounts.guests import require_account
from chatkeep.accounts.identity import TOKEN_PREFIX, Identity
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.session_queries import session_exists
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, NotAuthenticated, TooManyTokens
from chatkeep.sessions import digest_of, new_secret


async def create_token(
    database: Database,
    audit: Recorder,
    identity: Identity,
    name: str,
    expires_at: datetime | None,
    *,
    now: datetime,
    limits: TokenLimits,
) -> tuple[AnyRow, str]:
    """Make an access token; return its row, and its secret, which is kept nowhere.

    Args:
        expires_at: None for as late as a token may end.

    Raises:
        GuestNotAllowed: a token would outlive the browser that is all that makes a guest.
        Invalid: `expires_at` is in the past, or later than a token may end.
        TooManyTokens: the account has as many as it may have.
        NotAuthenticated: the caller was signed out, or changed the password, just now.
    """
    require_account(identity, "A guest has no access tokens. Register first.")
    expires_at = _end_of(expires_at, now, limits)
    secret = TOKEN_PREFIX + new_secret()
    async with database.transaction() as connection:
        await _require_still_signed_in(connection, identity)
        # The user's row is locked by now: of many requests at once each sees what the others have made.
        if await token_queries.count_tokens(connection, identity.user_id, now) >= limits.number:
            raise TooManyTokens(f"An account has at most {limits.number} access tokens. Revoke one that is not used.")
        row = await token_queries.insert_token(
            connection, digest_of(secret), user_id=identity.user_id, name=name, now=now, expires_at=expires_at
        )
        await audit.record(connection, Action.TOKEN_CREATED, identity.user_id, token_id=str(row.id))
    return row, secret


def _end_of(expires_at: datetime | None, now: datetime, limits: TokenLimits) -> datetime:
    """A token that is forgotten somewhere must not open an account for ever."""
    latest = now + timedelta(seconds=limits.max_seconds)
    if expires_at is None:
        return latest
    if expires_at <= now:
        raise Invalid("expires_at is in the past.")
    if expires_at > latest:
        raise Invalid(
            f"expires_at is later than {latest:%Y-%m-%dT%H:%M:%SZ}, when an access token ends at the latest. Leave "
            "expires_at out for that time."
        )
    return expires_at


async def _require_still_signed_in(connection: AsyncConnection, identity: Identity) -> None:
    """A change of password ends every token: none may be made by a request that was under way."""
    user = await queries.lock_user(connection, identity.user_id)
    if identity.by_proxy:
        if user is None or user.disabled:
            raise NotAuthenticated("This account has just been disabled.")
        return
    exists = session_exists if identity.by_session else token_queries.token_exists
    if not await exists(connection, identity.digest):
        raise NotAuthenticated("You have just been signed out.")
