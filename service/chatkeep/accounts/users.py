"""There is always somebody who can let others in: the last administrator stays one."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries, session_queries, token_queries
from chatkeep.accounts.names import warn_of_lookalike
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.usernames import require_username, username_key
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError, Invalid, IsGuest, LastAdministrator, LegalHold, NotFound, WeakPassword
from chatkeep.statistics.counters import count_notes

HELD = "This account is under legal hold: what it holds may not be deleted. An administrator can end the hold."


async def require_another_administrator(connection: AsyncConnection, user: AnyRow) -> None:
    """Refuse to take away the last administrator who can sign in.

    From here to the end of the transaction nobody else takes one away: two cannot remove each other at once.

    Args:
        user: whose row the transaction has locked.

    Raises:
        LastAdministrator: it is this user.
    """
    if user.role != "admin" or user.disabled:
        return
    await queries.lock_administrators(connection)
    if not await queries.administrator_exists(connection, besides=user.id):
        raise LastAdministrator("This is the last administrator. Make another one first.")


async def change_account(
    connection: AsyncConnection,
    audit: Recorder,
    user_id: UUID,
    *,
    role: str | None = None,
    disabled: bool | None = None,
    legal_hold: bool | None = None,
) -> AnyRow:
    """Change a user's role or whether they may sign in; in force on their next request.

    Raises:
        NotFound: no such user.
        LastAdministrator: nobody would be left.
        IsGuest: a guest is to be an administrator.
    """
    before = await _lock_user(connection, user_id)
    if role == "admin" and before.is_guest:
        # A cookie that anybody can have without a password must not be worth an administrator's rights.
        raise IsGuest("A guest cannot be an administrator. They have to register first.")
    if role == "user" or disabled:
        await require_another_administrator(connection, before)
    changes: dict[str, object] = {}
    if role is not None and role != before.role:
        changes["role"] = role
        # Session fixation: an id from before a change of rights is not good for the rights after it.
        await session_queries.ask_renewal(connection, user_id)
    if disabled is not None and disabled != before.disabled:
        changes["disabled"] = disabled
        if disabled:
            await session_queries.end_sessions_of(connection, user_id)
    if legal_hold is not None and legal_hold != before.legal_hold:
        changes["legal_hold"] = legal_hold
    if not changes:
        return before
    after = await queries.update_user(connection, user_id, changes)
    if after is None:
        raise NotFound
    await _put_on_record(connection, audit, before, after)
    return after


async def sign_out_everywhere(connection: AsyncConnection, audit: Recorder, user_id: UUID) -> tuple[int, int]:
    """End every session and every access token of a user; return how many of each.

    The tokens as well: an intruder in the account may have made one.

    Raises:
        NotFound: no such user.
    """
    # A session that is being renewed right now would otherwise outlive its end.
    await _lock_user(connection, user_id)
    sessions = await session_queries.end_sessions_of(connection, user_id)
    tokens = await token_queries.delete_tokens_of(connection, user_id)
    await audit.record(connection, Action.SESSIONS_ENDED, user_id, ended=sessions, tokens=tokens)
    return sessions, tokens


async def _put_on_record(connection: AsyncConnection, audit: Recorder, before: AnyRow, after: AnyRow) -> None:
    if after.role != before.role:
        await audit.record(connection, Action.ROLE_CHANGED, after.id, before=before.role, after=after.role)
    if after.disabled != before.disabled:
        await audit.record(connection, Action.USER_DISABLED if after.disabled else Action.USER_ENABLED, after.id)
    if after.legal_hold != before.legal_hold:
        action = Action.LEGAL_HOLD_BEGAN if after.legal_hold else Action.LEGAL_HOLD_ENDED
        await audit.record(connection, action, after.id)


async def require_no_hold(connection: AsyncConnection, user_id: UUID) -> None:
    """Refuse to delete what a user under legal hold has; until the transaction ends, nobody gets under hold.

    Raises:
        NotFound: no such user.
        LegalHold: the account is under hold.
    """
    user = await _lock_user(connection, user_id)
    _refuse_held(user)


async def _lock_user(connection: AsyncConnection, user_id: UUID) -> AnyRow:
    user = await queries.lock_user(connection, user_id)
    if user is None:
        raise NotFound
    return user


def _refuse_held(user: AnyRow) -> None:
    if user.legal_hold:
        raise LegalHold(HELD)


async def delete_user(connection: AsyncConnection, audit: Recorder, user_id: UUID) -> str:
    """Delete a user and all their data, and keep on record that it happened. Raises: as `erase_user`.

    Returns:
        The number of the row on record, under which the deletion can be proved later. It is found also by the id,
        and by the name: as a digest, since the row outlives the account.
    """
    erased = await erase_user(connection, user_id)
    name_id = audit.trail.keys.name_ids(erased.username_key)[0]
    event = await audit.record(
        connection, Action.USER_DELETED, user_id, name_id, name_id=str(name_id), deleted=dict(erased.counts)
    )
    return event.number


@dataclass(frozen=True, slots=True)
class Erased:
    """An account that was deleted, and how much there was of it."""

    username_key: str
    counts: Mapping[str, int]


async def erase_user(connection: AsyncConnection, user_id: UUID, *, despite_hold: bool = False) -> Erased:
    """Delete a user and all their data, and return what there was; the caller puts it on record.

    The foreign keys would do it alone, but in an order of their own. Here it is the one in which everybody else
    locks: writing a turn or using a session locks that before the counters.

    Args:
        despite_hold: everything that they had is somebody else's, who is under hold, too.

    Raises:
        NotFound: no such user.
        LegalHold: what they have has to stay.
        LastAdministrator: nobody would be left.
    """
    user = await _lock_user(connection, user_id)
    if not despite_hold:
        _refuse_held(user)
    await require_another_administrator(connection, user)
    await queries.delete_conversations_of(connection, user_id)
    sessions = await session_queries.end_sessions_of(connection, user_id)
    tokens = await token_queries.delete_tokens_of(connection, user_id)
    activity = await queries.delete_activity_of(connection, user_id)
    await count_notes(connection, of_user=user_id)
    await queries.delete_user(connection, user_id)
    conversations, turns = (activity.conversation_count, activity.turn_count) if activity else (0, 0)
    return Erased(
        user.username_key,
        {"conversations": conversations, "turns": turns, "sessions": sessions, "tokens": tokens},
    )


async def create_first_administrator(
    database: Database, hasher: PasswordHasher, clock: Clock, audit: Recorder, username: str, password: str
) -> bool:
    """Make the first administrator where there is none; False where there is one already.

    Raises:
        ConfigurationError: the configured name or password is not one, or the name belongs to somebody who is not an
            administrator.
    """
    async with database.transaction() as connection:
        if await queries.administrator_exists(connection):
            return False
    try:
        require_username(username)
    except Invalid as error:
        raise ConfigurationError(f"CHATKEEP_ADMIN_USERNAME: {error.detail}") from None
    try:
        password_hash = await hasher.hash_new(password, username)
    except WeakPassword as error:
        raise ConfigurationError(f"CHATKEEP_ADMIN_PASSWORD: {error.detail}") from None
    async with database.transaction() as connection:
        await queries.lock_administrators(connection)
        if await queries.administrator_exists(connection):
            return False
        made = await queries.insert_user(
            connection,
            username=username,
            username_key=username_key(username),
            password_hash=password_hash,
            now=clock(),
            role="admin",
        )
        if made is None:
            raise ConfigurationError(
                f"There is no administrator yet, and {username!r} belongs to an ordinary user. Set "
                f"CHATKEEP_ADMIN_USERNAME to another name, or run `chatkeep user role {username} admin`."
            )
        # Not refused: with a name that looks like it, a stranger could keep the service from its first start.
        await warn_of_lookalike(connection, made)
        await audit.record(connection, Action.ACCOUNT_CREATED, made.id, role="admin")
    return True
