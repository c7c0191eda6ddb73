"""Errors that nobody else caught."""

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.app.logs import safe_traceback, shown_path
from chatkeep.http.delivery import AnswerCut
from chatkeep.http.problems import protocol_response
from chatkeep.http.root_path import path_within

log = structlog.get_logger(__name__)


class InternalErrors:
    """Answers what nobody caught: with nothing about it for the client, and all that is safe in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except AnswerCut:
            raise
        except Exception as error:
            if _is_of_client(error):
                # Nobody is there to be answered: a broken-off upload is its client's affair.
                log.info("client_left", method=scope["method"], path=shown_path(path_within(scope)))
                return
            # Already as text: how the log was set up must not decide whether it holds what people wrote.
            log.error(  # noqa: TRY400
                "request_failed",
                method=scope["method"],
                path=shown_path(path_within(scope)),
                exception=safe_traceback(error),
            )
            if begun:
                raise  # the server breaks the connection, so that the client does not take this for the end
            await protocol_response("internal_error")(scope, receive, send)


def _is_of_client(error: BaseException) -> bool:
    """Tell whether an error is only that the client has gone."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_of_client, error.exceptions))
    return isinstance(error, ClientDisconnect)
