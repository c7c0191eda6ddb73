"""Familiar browsers and places: those that have signed in to the account before."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import session_queries
from chatkeep.accounts.hash_lanes import Lane
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.throttling import place_of

# As many places as one person is at; more of them only cost time.
MAX_PLACES = 20
_NOBODY = UUID(int=0)


async def lane_of(connection: AsyncConnection, user: AnyRow | None, address: str, known_device: str | None) -> Lane:
    """Return in which lane a password for the account is checked.

    A place is known where the account has a session that was used there. A stranger at the same place goes first as
    well, for the few tries that `throttling` lets them have.

    Args:
        user: None for a name that nobody has. As much is looked up for it: the time must not tell.
        known_device: the mark of a browser that has signed in to this account before.
    """
    if known_device is not None:
        return Lane.KNOWN
    addresses = await session_queries.addresses_of(connection, user.id if user else _NOBODY, limit=MAX_PLACES)
    return Lane.KNOWN if place_of(address) in map(place_of, addresses) else Lane.SIGN_IN
