"""What chat's routers declare: the parts, and who is asking by the request handler."""

from typing import Annotated

from fastapi import Depends, Request

from service.accounts.identity import Identity
from service.chat.chat import Chat


async def get_chat(request: Request) -> Chat:
    chat: Chat = request.app.state.chat
    return chat


TheChat = Annotated[Chat, Depends(get_chat)]


async def require_asker(request: Request, chat: TheChat) -> Identity:
    return await chat.handler.identify(request)


Asker = Annotated[Identity, Depends(require_asker)]
