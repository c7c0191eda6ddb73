"""The request handler for a ChatStream server: each signed-in user's conversations are kept in PostgreSQL.

The only module that imports ChatStream, which is under the AGPL; nothing else imports this one.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from chatstream import AbstractRequestHandler
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.dependencies import allows_guest, create_guest, require_identity
from chatkeep.accounts.identity import VISITOR, Identity, identity_of, stream_terms
from chatkeep.accounts.queries import user_by_id
from chatkeep.accounts.scopes import needs_of
from chatkeep.chat.chat import Chat
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chatstream.conversations import Asking
from chatkeep.chatstream.deferred_response import QueuedReply, say_of
from chatkeep.chatstream.model import ChatStreamReply, restore_prompt
from chatkeep.chatstream.protocol import CONVERSATION_HEADER
from chatkeep.chatstream.queue_slot import Finished, Slot
from chatkeep.chatstream.router import chat_stream
from chatkeep.chatstream.schemas import Say
from chatkeep.chatstream.streaming import WholeTextStream
from chatkeep.chatstream.turns import take_turn
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError, CrossSiteRequest, Invalid, NotAuthenticated, NotFound

CHATSTREAMS_COOKIE = "sid"


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


class PersistentChatStreamHandler(AbstractRequestHandler):  # type: ignore[misc]  # ChatStream has no types
    """Keeps every turn, and restores the prompt from the stored turns, with the application's `chat_prompt_clazz`.

    Turns are the service's own: begun before anything is sent, written down while they are generated, taken over
    when the process dies. See docs/chatstream.md.

    Args:
        chatkeep: the service, as `create_app` makes it; it has to run beside, see `SideBySide`.
        identify: returns the id of the service's user who asks, or raises NotAuthenticated; by default the user of
            the service's cookie or token.

    Raises:
        ConfigurationError: the service's cookie has the name of ChatStream's.
    """

    def __init__(self, chatkeep: FastAPI, *, identify: Callable[[Request], Awaitable[UUID]] | None = None) -> None:
        super().__init__()
        if self._settings_of(chatkeep).cookie_name == CHATSTREAMS_COOKIE:
            raise ConfigurationError(
                "ChatStream's own cookie is called `sid`, and it fails on any other of that name. "
                "Set CHATKEEP_COOKIE_NAME, for example to `chatkeep`."
            )
        self._chatkeep = chatkeep
        self._identify = identify
        chatkeep.state.chatstream_prompt = self._written

    def get_request_handler_type(self) -> str:
        return "chatkeep"

    async def process_request(
        self,
        request: Request,
        request_body: Mapping[str, Any] | None = None,
        streaming_finished_callback: Finished | None = None,
    ) -> Response:
        if streaming_finished_callback is None:
            raise TypeError("ChatStream 0.3 gives a callback for the end of the request")
        slot = Slot(request, streaming_finished_callback)
        return QueuedReply(lambda: self._answer(request, request_body, slot), slot)

    async def _answer(self, request: Request, request_body: Mapping[str, Any] | None, slot: Slot) -> Response:
        _refuse_cross_site(request)
        chat: Chat = self._chatkeep.state.chat
        known, named = await self._identity_or_visitor(request), _named(request)
        settings = self._settings_of(self._chatkeep)
        say = await say_of(request, request_body, max_bytes=settings.max_body_bytes)
        # A role's pass phrase is typed as chat: it must not become a part of the history.
        granted: Response | None = self.detect_special_command_for_role_promotion(
            request, say.user_input or "", slot.finished
        )
        if granted is not None:
            return granted
        identity = known or await self._guest(request, say, named)
        reply = ChatStreamReply(self, request, slot)
        following = await take_turn(chat, Asking(identity, named), say, reply)
        # Nothing was awaited since the generation was started, so it has not asked for this yet.
        reply.message_id = str(following.begun.id)
        return WholeTextStream(following, chat.streams, stream_terms(identity))

    async def _identity_or_visitor(self, request: Request) -> Identity | None:
        """Return the asking user; None for a visitor who may become a guest, where users are this service's."""
        accounts: Accounts = self._chatkeep.state.accounts
        if self._identify is not None:
            return await identity_of_user(accounts.database, await self._identify(request))
        try:
            # ChatStream's own endpoint says nothing of tokens.
            return await require_identity(request, accounts, needs_of(chat_stream))
        except NotAuthenticated:
            if allows_guest(accounts, request):
                return None
            raise

    async def _guest(self, request: Request, say: Say, named: UUID | None) -> Identity:
        """Make a visitor a guest, unless they ask for what only somebody who was here before can have."""
        if named is not None:
            raise NotFound
        if say.regenerate:
            return VISITOR
        return await create_guest(request, self._chatkeep.state.accounts)

    def _written(self, prompt: ChatPrompt) -> str:
        """Return a prompt as the application's own class writes it, for `/get_prompt`."""
        text: str = restore_prompt(prompt, self.create_chat_prompt()).create_prompt({})
        return text

    @staticmethod
    def _settings_of(chatkeep: FastAPI) -> Settings:
        settings: Settings = chatkeep.state.settings
        return settings


def _named(request: Request) -> UUID | None:
    given = request.headers.get(CONVERSATION_HEADER)
    try:
        return None if given is None else UUID(given)
    except ValueError:
        raise Invalid(f"{CONVERSATION_HEADER} is the id of a conversation.") from None


def _refuse_cross_site(request: Request) -> None:
    """ChatStream lets every site ask, and its answers be read: what a browser adds by itself must not make them
    the user's, or make a guest of a visitor of another site's page. A token is never added by itself.
    """
    headers = request.headers
    by_itself = "cookie" in headers or "authorization" not in headers
    if by_itself and headers.get("sec-fetch-site", "").lower() == "cross-site":
        raise CrossSiteRequest("This write comes from a page of another site, and was not carried out.")
