"""Dependencies of chat's routers: the parts, and the asking user by the request handler."""

from typing import Annotated

from fastapi import Depends, Request

from chatkeep.accounts.dependencies import accounts_of, is_signed_in
from chatkeep.accounts.identity import Identity
from chatkeep.chat.chat import Chat
from chatkeep.chat.handler import PersistentRequestHandler
from chatkeep.errors import NotAuthenticated


def chat_of(request: Request) -> Chat:
    chat: Chat = request.app.state.chat
    return chat


async def get_chat(request: Request) -> Chat:
    return chat_of(request)


ChatDep = Annotated[Chat, Depends(get_chat)]


async def require_user(request: Request) -> Identity:
    return await chat_of(request).handler.identify(request)


CurrentUser = Annotated[Identity, Depends(require_user)]


async def require_user_or_visitor(request: Request) -> Identity | None:
    """Return the asking user; None for a visitor who may become a guest.

    Not at once: a request that is refused for something else must not make a row.
    """
    handler = chat_of(request).handler
    try:
        return await handler.identify(request)
    except NotAuthenticated:
        if await handler.allows_guest(request):
            return None
        raise


CurrentUserOrVisitor = Annotated[Identity | None, Depends(require_user_or_visitor)]


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
