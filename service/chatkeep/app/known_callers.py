"""Callers of whom more than the beginning of a body is read."""

from fastapi import Request

from chatkeep.accounts.dependencies import accounts_of, is_signed_in
from chatkeep.chat.api.dependencies import chat_of
from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.errors import NotAuthenticated


async def is_known(request: Request) -> bool:
    """Tell whether somebody is signed in, or may write without that: a visitor where guests are welcome."""
    if await is_signed_in(request, accounts_of(request)):
        return True
    handler = chat_of(request).handler
    if type(handler).identify is not PersistentRequestHandler.identify:
        try:
            await handler.identify(request)
        except NotAuthenticated:
            pass
        else:
            return True
    return await handler.allows_guest(request)
