"""The caller under `/v1`: the owner of an access token. Cookies are not looked at there."""

from typing import Annotated

from fastapi import Depends, Request

from chatkeep.accounts.identity import Identity
from chatkeep.chat.api.dependencies import chat_of
from chatkeep.errors import NotAuthenticated

NO_KEY = (
    "Send a personal access token of this service as the API key (Authorization: Bearer ck_...). Make one on the "
    "account page."
)
WRONG_KEY = "This access token is wrong, or it has ended. Make another one on the account page."


async def require_bearer(request: Request) -> Identity:
    """Return the owner of the token that the request bears.

    Raises:
        NotAuthenticated: there is none, or it is not valid. A cookie does not stand in for it.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(NO_KEY)
    try:
        return await chat_of(request).handler.identify(request)
    except NotAuthenticated:
        raise NotAuthenticated(WRONG_KEY) from None


TokenOwner = Annotated[Identity, Depends(require_bearer)]
