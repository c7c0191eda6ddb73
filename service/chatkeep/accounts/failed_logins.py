"""Sign-ins that were refused, on record."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatkeep.accounts import queries
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database
from chatkeep.errors import InvalidCredentials


@asynccontextmanager
async def refusals_on_record(database: Database, audit: Recorder, account: str) -> AsyncIterator[None]:
    """Put it on record where the block refuses a name and a password, in a transaction of its own.

    A name that nobody has is kept as a keyed digest: it may be a password that was typed into the wrong field.

    It goes around `limit_attempts`: a password that was looked at stays counted even where the record cannot be
    written. Otherwise a flood of guesses that exhausts the database would make guesses free.

    Args:
        account: the key of the name that was typed, whether or not there is such an account.
    """
    try:
        yield
    except InvalidCredentials:
        async with database.transaction() as connection:
            user = await queries.user_by_key(connection, account)
            if user is None:
                digest = audit.trail.name_digest(account)
                await audit.record(connection, Action.SIGN_IN_FAILED, unknown_name=digest)
            else:
                await audit.record(connection, Action.SIGN_IN_FAILED, user.id)
        raise
