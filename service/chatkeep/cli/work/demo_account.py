"""The account that `chatkeep demo-data` fills, and a token to do it with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import anyio

from chatkeep.accounts import queries, token_queries
from chatkeep.accounts.identity import TOKEN_PREFIX
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.scopes import Scope
from chatkeep.accounts.tokens import insert_on_record
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.database.database import Database
from chatkeep.database.postgres.data_folder import DataFolder
from chatkeep.errors import ConfigurationError, Invalid, NotFound
from chatkeep.sessions import digest_of, new_secret

TOKEN_NAME = "chatkeep demo-data"  # noqa: S105  a label
# A command that is killed cannot delete its token: it ends by itself.
TOKEN_LIFETIME = timedelta(hours=1)
TOKEN_SCOPES = (Scope.CHAT, Scope.READ)


def require_database(settings: Settings) -> None:
    """Refuse to make an embedded database where none is: it would not be the service's.

    Raises:
        ConfigurationError: says how to name the database.
    """
    if settings.database_url is None and DataFolder(data_dir(settings).expanduser()).major() is None:
        raise ConfigurationError(
            f"There is no database of the service in {data_dir(settings)}. Run the command with the service's settings "
            "(CHATKEEP_DATABASE_URL or CHATKEEP_DATA_DIR), or use --people, which needs none."
        )


async def account_to_fill(database: Database, username: str | None) -> AnyRow:
    """Return the named account, or the first administrator.

    Raises:
        NotFound: there is none.
        Invalid: it cannot sign in.
    """
    async with database.transaction() as connection:
        if username is None:
            user = await queries.oldest_administrator(connection)
        else:
            user = await require_user_by_name(connection, username)
    if user is None:
        raise NotFound("There is no administrator yet. Name another account with --username.")
    if user.disabled or user.is_guest:
        raise Invalid(f"{user.username} is {'disabled' if user.disabled else 'a guest'}. Name another account.")
    return user


@asynccontextmanager
async def token_for(database: Database, audit: Recorder, user_id: UUID) -> AsyncIterator[str]:
    """Yield an access token of the user, on record, and delete it in the end."""
    secret, now = TOKEN_PREFIX + new_secret(), utc_now()
    async with database.transaction() as connection:
        token = await insert_on_record(
            connection,
            audit,
            digest_of(secret),
            user_id,
            TOKEN_NAME,
            TOKEN_SCOPES,
            now=now,
            expires_at=now + TOKEN_LIFETIME,
        )
    try:
        yield secret
    finally:
        with anyio.CancelScope(shield=True):
            async with database.transaction() as connection:
                await token_queries.delete_token(connection, user_id, token.id)
                await audit.record(connection, Action.TOKEN_DELETED, user_id, token_id=str(token.id))
