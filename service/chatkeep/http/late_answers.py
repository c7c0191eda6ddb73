"""Late answers: the client may have lost the right to one while it was made."""

import time

from starlette.types import Message, Receive, Scope, Send

from chatkeep.errors import ChatkeepError, NotAuthenticated
from chatkeep.http.open_streams import CHECK_INTERVAL_SECONDS, OpenStreams, StreamTerms
from chatkeep.http.problems import response_to

# In a request's scope: on which terms its answer is sent.
TERMS = "chatkeep.terms"


def set_terms(scope: Scope, terms: StreamTerms) -> None:
    """Say on which terms the answer to a request is sent, now that it is known who asks."""
    scope[TERMS] = terms


class LateAnswer:
    """Sends an answer, or a refusal in its place where it comes late and its terms hold no longer.

    For reading alone: a request that signs out is to be told that it worked.
    """

    __slots__ = ("_begun", "_receive", "_refused", "_scope", "_send", "_streams")

    def __init__(self, scope: Scope, receive: Receive, send: Send, streams: OpenStreams) -> None:
        self._scope, self._receive, self._send, self._streams = scope, receive, send, streams
        self._begun = time.monotonic()
        self._refused = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and time.monotonic() - self._begun > CHECK_INTERVAL_SECONDS:
            await self._look()
        if not self._refused:
            await self._send(message)

    async def _look(self) -> None:
        terms: StreamTerms | None = self._scope.get(TERMS)
        if terms is None:
            return
        try:
            if await self._streams.holds(terms):
                return
            refusal: ChatkeepError = NotAuthenticated("Your session, token or right ended while this was looked up.")
        except ChatkeepError as error:
            refusal = error  # not known is not allowed
        self._refused = True
        await response_to(refusal)(self._scope, self._receive, self._send)
