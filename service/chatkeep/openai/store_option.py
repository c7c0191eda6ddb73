"""Whether a request is kept: as the client asks, where the operator allows that."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.types import Receive, Send

from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.chat.api.turns import MAY_HAVE_LOST_ITS_USER
from chatkeep.chat.chat import Chat
from chatkeep.chat.file_parts import LoadedFile
from chatkeep.chat.generation.sse import EventStream
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.schemas import Turn
from chatkeep.errors import Invalid
from chatkeep.http.presence import while_client_waits
from chatkeep.openai.input_items import INPUT, Prompt, read_input, to_prompt, with_references
from chatkeep.openai.transient import inline_files, shown_items

NOT_STORED = (
    "This service keeps whatever it answers (CHATKEEP_OPENAI_STORE=always), and does not answer without: leave `store` "
    "out, or set it to true, and name no task in X-Chatkeep-Task."
)

# Names what a program asks beside the chat, for itself: a title, tags. Empty, or not there, for what its user says.
TASK_HEADER = "x-chatkeep-task"


def require_allowed(request: Request, *, store: bool | None) -> bool:
    """Return whether a request is kept: neither one that asks not to be, nor a task of a program's own.

    Raises:
        Invalid: it is not to be kept, and the operator has it that everything is.
    """
    if store is not False and not request.headers.get(TASK_HEADER, "").strip():
        return True
    if request.app.state.settings.openai_store == "always":
        raise Invalid(NOT_STORED, param="store")
    return False


async def prompt_of(
    chat: Chat, caller: Identity, given: str | Sequence[Mapping[str, Any]], *, is_kept: bool, field: str = INPUT
) -> tuple[Prompt, dict[str, LoadedFile]]:
    """Return a prompt, and the files in it that are not kept. Raises: as `to_prompt`."""
    if is_kept:
        return await to_prompt(chat.files, caller.user_id, given, field=field), {}
    read = await read_input(chat.files, caller.user_id, given, field=field)
    inline = inline_files(read.items or ())
    items = await with_references(chat.files, caller.user_id, inline.items, field=field)
    return Prompt(read.text, None if read.items is None else shown_items(items or ())), inline.files


async def whole_turn(request: Request, chat: Chat, caller: Identity, following: TurnStream, *, is_kept: bool) -> Turn:
    """Return a turn at its end. One that is not kept ends with its client: nobody else could have the answer."""
    terms = stream_terms(caller)
    with chat.streams.hold(terms):
        if not is_kept:
            async with while_client_waits(request):
                await following.end()
            if following.generation is not None:
                following.generation.cancel("stopped")  # only where it has not ended
        turn = await following.end()
        if turn.status in MAY_HAVE_LOST_ITS_USER:
            await chat.streams.require(terms)
    return turn


class EndingStream(EventStream):
    """A stream whose generation ends with its client: nobody else could have the rest."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], chat: Chat, caller: Identity, following: TurnStream
    ) -> None:
        super().__init__(chunks, chat.streams, stream_terms(caller))
        self._generation = None if following.begun.is_replay else following.generation

    async def stream(self, receive: Receive, send: Send) -> None:
        try:
            await super().stream(receive, send)
        finally:
            if self._generation is not None:
                self._generation.cancel("stopped")
