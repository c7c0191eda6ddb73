"""The account of a user whom an application has recognised by means of its own."""

from uuid import UUID

from service.accounts.identity import Identity, identity_of
from service.accounts.queries import user_by_id
from service.database.database import Database
from service.errors import NotAuthenticated


async def identity_of_user(database: Database, user_id: UUID) -> Identity:
    """Return the account.

    Raises:
        NotAuthenticated: there is none, or it is disabled.
    """
    async with database.transaction() as connection:
        user = await user_by_id(connection, user_id)
    if user is None or user.disabled:
        raise NotAuthenticated("There is no such account, or it is disabled.")
    return identity_of(user)
