"""Names that may be taken: none that somebody has, nor one that looks like another's."""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import name_queries
from chatkeep.accounts.lookalikes import prototypes, skeleton_digests
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.usernames import username_key
from chatkeep.database.database import Database
from chatkeep.errors import UsernameTaken

NAME_TAKEN = "That username is taken. Names differ by more than case, width or accents' encoding."
NAME_LOOKS_TAKEN = "That username looks like one that is taken. Choose one that nobody can mistake for another."
# Milliseconds' work, so that a change of one of these accounts hardly ever meets it.
FILLED_AT_ONCE = 100

log = structlog.get_logger(__name__)


async def require_likely_free(connection: AsyncConnection, username: str) -> None:
    """Refuse a name before its password is hashed; another may still take it.

    Raises:
        UsernameTaken: somebody has it, or one that looks like it.
    """
    key = username_key(username)
    owner = await name_queries.user_named_like(connection, key, await _digests(username))
    if owner is not None:
        raise UsernameTaken(NAME_TAKEN if owner.username_key == key else NAME_LOOKS_TAKEN)


async def require_distinct(connection: AsyncConnection, username: str) -> None:
    """Refuse a name that looks like another's; until the transaction ends, nobody takes one that looks like it.

    The same name itself is left to the unique index.

    Raises:
        UsernameTaken: the name looks like another's.
    """
    await name_queries.lock_names(connection, await _digests(username))
    if await lookalike_of(connection, username) is not None:
        raise UsernameTaken(NAME_LOOKS_TAKEN)


async def lookalike_of(connection: AsyncConnection, username: str) -> AnyRow | None:
    """Return an account with another name that looks like this one."""
    digests = await _digests(username)
    return await name_queries.user_with_skeleton(connection, digests, besides=username_key(username))


async def warn_of_lookalike(connection: AsyncConnection, user: AnyRow) -> None:
    """Log that a new account's name looks like another's, where an operator gives the name."""
    other = await lookalike_of(connection, user.username)
    if other is not None:
        log.warning("username_looks_like_another", user_id=str(user.id), other_user_id=str(other.id))


async def fill_names(database: Database) -> int:
    """Have every account compared by its name, also those from before this was done; return how many were filled.

    Each batch is a transaction of its own: a process that dies leaves the others for the next one.
    """
    filled = 0
    await asyncio.to_thread(prototypes)
    while True:
        async with database.transaction() as connection:
            count = await name_queries.fill_skeletons(connection, limit=FILLED_AT_ONCE)
        filled += count
        if count < FILLED_AT_ONCE:
            return filled


async def _digests(username: str) -> list[bytes]:
    # The first one reads the table, for which the event loop must not wait.
    await asyncio.to_thread(prototypes)
    return skeleton_digests(username)
