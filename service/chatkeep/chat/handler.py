"""The seam that others extend: who is asking, which prompt the model sees, what happens to a turn."""

from abc import ABC, abstractmethod

from starlette.requests import Request

from chatkeep.accounts.dependencies import accounts_of, allows_guest, create_guest, require_identity
from chatkeep.accounts.identity import Identity
from chatkeep.chat.files.contents import load_files
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.models.context import fit_context
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chat.schemas import Turn
from chatkeep.errors import NotAuthenticated


class RequestHandler(ABC):
    """The steps of a turn that a service may change; everything else is the router's and the generations'.

    A turn goes through the four methods in this order, `begin_turn` in the request and the last two in the
    generation, which goes on when the client has gone.
    """

    @abstractmethod
    async def identify(self, request: Request) -> Identity:
        """Return the asking user.

        Raises:
            NotAuthenticated: nobody who may.
        """

    async def allows_guest(self, request: Request) -> bool:  # noqa: ARG002  a subclass may look at it
        """Tell whether a visitor whom `identify` does not know may become a guest; by default nobody may."""
        return False

    async def create_guest(self, request: Request) -> Identity:  # noqa: ARG002
        """Make a visitor a guest, now that they begin something. Called where `allows_guest` says so.

        Raises:
            TooManyAttempts: too many guests began at this address.
        """
        raise NotAuthenticated("Sign in first: this service has no guests.")

    @abstractmethod
    async def begin_turn(self, identity: Identity, new: NewTurn) -> OpenTurn:
        """Keep the prompt, before anything is sent to anyone.

        Raises:
            NotFound, TurnInProgress, IdempotencyKeyReused, DatabaseUnavailable: as `TurnStore.begin`.
        """

    @abstractmethod
    async def chat_prompt(self, begun: OpenTurn) -> ChatPrompt:
        """Return the conversation as the model is to see it."""

    @abstractmethod
    async def end_turn(self, begun: OpenTurn, outcome: Outcome) -> Turn | None:
        """Keep how the turn ended, before anyone is told, and return it as it is kept.

        None where it is no longer this process's: it was deleted, or another one took it over.

        Raises:
            Unavailable: it is called again a little later.
        """


class PersistentRequestHandler(RequestHandler):
    """Accounts by cookie or token, guests where they are allowed; every turn in PostgreSQL.

    Args:
        context_tokens: how much of the conversation the model is shown, by an estimate that errs high.
    """

    def __init__(self, turn_store: TurnStore, *, context_tokens: int) -> None:
        self.turn_store = turn_store
        self.context_tokens = context_tokens

    async def identify(self, request: Request) -> Identity:
        return await require_identity(request, accounts_of(request))

    async def allows_guest(self, request: Request) -> bool:
        return allows_guest(accounts_of(request), request)

    async def create_guest(self, request: Request) -> Identity:
        return await create_guest(request, accounts_of(request))

    async def begin_turn(self, identity: Identity, new: NewTurn) -> OpenTurn:
        return await self.turn_store.begin(identity.user_id, new, context_tokens=self.context_tokens)

    async def chat_prompt(self, begun: OpenTurn) -> ChatPrompt:
        prompt = fit_context(
            begun.system_prompt,
            begun.earlier,
            begun.content,
            self.context_tokens,
            items=begun.items,
            continues=begun.continues,
        )
        prompt.tools = begun.tools
        prompt.files = await load_files(self.turn_store.database, begun.user_id, prompt.get_contents())
        return prompt

    async def end_turn(self, begun: OpenTurn, outcome: Outcome) -> Turn | None:
        return await self.turn_store.end(begun, outcome)
