"""Access tokens: made by somebody who is signed in, for programs that are not."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries, token_queries
from chatkeep.accounts.accounts import TokenLimits
from chatkeep.accounts.guests import require_account
from chatkeep.accounts.identity import TOKEN_PREFIX, Identity
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.scopes import Scope, in_order
from chatkeep.accounts.session_queries import session_exists
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import Forbidden, InsufficientScope, Invalid, NotAuthenticated, TooManyTokens
from chatkeep.sessions import digest_of, new_secret


async def create_token(
    database: Database,
    audit: Recorder,
    identity: Identity,
    name: str,
    expires_at: datetime | None,
    scopes: Collection[Scope],
    *,
    now: datetime,
    limits: TokenLimits,
) -> tuple[AnyRow, str]:
    """Make an access token; return its row, and its secret, which is kept nowhere.

    Args:
        expires_at: None for as late as a token may end.

    Raises:
        GuestNotAllowed: a token would outlive the browser that is all that makes a guest.
        InsufficientScope: a token asks, and lacks a scope that the new one is to have.
        Forbidden: a user who is no administrator asks for the scope `admin`.
        Invalid: `expires_at` is in the past, or later than a token may end.
        TooManyTokens: the account has as many as it may have.
        NotAuthenticated: the caller was signed out, or changed the password, just now.
    """
    require_account(identity, "A guest has no access tokens. Register first.")
    _require_own_scopes(identity, scopes)
    expires_at = end_of(expires_at, now, limits, maker_ends_at=identity.token_ends_at)
    secret = TOKEN_PREFIX + new_secret()
    async with database.transaction() as connection:
        await _require_still_signed_in(connection, identity)
        # The user's row is locked by now: of many requests at once each sees what the others have made.
        if await token_queries.count_tokens(connection, identity.user_id, now) >= limits.number:
            raise TooManyTokens(f"An account has at most {limits.number} access tokens. Revoke one that is not used.")
        row = await insert_on_record(
            connection, audit, digest_of(secret), identity.user_id, name, scopes, now=now, expires_at=expires_at
        )
    return row, secret


async def insert_on_record(
    connection: AsyncConnection,
    audit: Recorder,
    digest: bytes,
    user_id: UUID,
    name: str,
    scopes: Collection[Scope],
    *,
    now: datetime,
    expires_at: datetime,
) -> AnyRow:
    """Keep a token; the audit trail tells what it may do, and until when."""
    kept = in_order(scopes)
    row = await token_queries.insert_token(
        connection, digest, user_id=user_id, name=name, now=now, expires_at=expires_at, scopes=kept
    )
    await audit.record(
        connection,
        Action.TOKEN_CREATED,
        user_id,
        token_id=str(row.id),
        scopes=kept,
        expires_at=expires_at.astimezone(UTC).isoformat(),
    )
    return row


def _require_own_scopes(identity: Identity, scopes: Collection[Scope]) -> None:
    """Threat: a program with a narrow token makes itself a wider one."""
    if missing := in_order(set(scopes) - identity.scopes):
        raise InsufficientScope(
            f"An access token makes none that may do more than itself: this one lacks {' and '.join(missing)}.",
            scope=" ".join(missing),
        )
    if Scope.ADMIN in scopes and not identity.is_administrator:
        raise Forbidden("Only an administrator makes tokens with the scope admin.")


def end_of(
    expires_at: datetime | None, now: datetime, limits: TokenLimits, *, maker_ends_at: datetime | None = None
) -> datetime:
    """Return when a token ends. One that is forgotten somewhere must not open an account for ever.

    Args:
        expires_at: what was asked for; None for as late as it may end.
        maker_ends_at: when the token ends that makes it, which it must not outlive: it could be renewed for ever.
    """
    latest = now + timedelta(seconds=limits.max_seconds)
    if maker_ends_at is not None:
        latest = min(latest, maker_ends_at)
    if expires_at is None:
        return latest
    if expires_at <= now:
        raise Invalid("expires_at is in the past.")
    if expires_at > latest:
        raise Invalid(
            f"expires_at is later than {latest:%Y-%m-%dT%H:%M:%SZ}, when this access token ends at the latest. "
            "Leave it out for that time."
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
