"""What chat's routers declare: the parts, and who is asking by the request handler."""

from typing import Annotated

from fastapi import Depends, Request

from service.accounts.identity import Identity
from service.chat.chat import Chat
from service.errors import NotAuthenticated


async def get_chat(request: Request) -> Chat:
    chat: Chat = request.app.state.chat
    return chat


TheChat = Annotated[Chat, Depends(get_chat)]


async def require_asker(request: Request, chat: TheChat) -> Identity:
    return await chat.handler.identify(request)


Asker = Annotated[Identity, Depends(require_asker)]


async def require_asker_or_visitor(request: Request, chat: TheChat) -> Identity | None:
    """Return who is asking; None for a visitor who may become a guest.

    Not at once: a request that is refused for something else must not make a row.
    """
    try:
        return await chat.handler.identify(request)
    except NotAuthenticated:
        if await chat.handler.welcomes(request):
            return None
        raise


AskerOrVisitor = Annotated[Identity | None, Depends(require_asker_or_visitor)]
