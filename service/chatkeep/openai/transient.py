"""Answers of which nothing is kept, where a client asks for that: in no table and in no log.

They take a place among the generations like any other, so that they cannot crowd others out.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import UUID

from starlette.requests import Request

from chatkeep.accounts.identity import Identity
from chatkeep.chat.chat import Chat
from chatkeep.chat.file_parts import LoadedFile
from chatkeep.chat.files.attachments import ASKED_TYPES, IMAGE_TYPES, url_in
from chatkeep.chat.generation.stream import TurnStream, new_turn
from chatkeep.chat.handler import RequestHandler
from chatkeep.chat.history.lookups import require_record
from chatkeep.chat.history.pages import path_up
from chatkeep.chat.history.turn import NewTurn, OpenTurn, Outcome
from chatkeep.chat.items import AnyItem, refusal_of
from chatkeep.chat.models.context import EarlierTurn
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chat.schemas import Reply, TokenUsage, Turn, TurnError
from chatkeep.clock import Clock
from chatkeep.errors import NotAuthenticated
from chatkeep.ids import new_id

MAX_EARLIER = 200
# No model takes more.
MAX_EARLIER_CHARACTERS = 8_000_000
# Under other types, until the files that are kept have been looked up.
INLINE = {"image": "inline_image", "file": "inline_file"}
DATA = "data:"


@dataclass(frozen=True, slots=True)
class InlineFiles:
    """Items whose files came with the request, and these files by the ids that stand in the items."""

    items: Sequence[AnyItem]
    files: dict[str, LoadedFile]


def inline_files(items: Sequence[AnyItem]) -> InlineFiles:
    """Return items with their data: URLs at hand, instead of kept. Other items stay as they are."""
    files: dict[str, LoadedFile] = {}
    found = [_inline(item, files) if item["type"] in ASKED_TYPES else item for item in items]
    return InlineFiles(found, files)


def _inline(item: AnyItem, files: dict[str, LoadedFile]) -> AnyItem:
    url = None if "file_id" in item else url_in(item)
    if url is None or url[: len(DATA)].lower() != DATA:
        return item
    name, is_image = str(item.get("filename") or ""), item["type"] in IMAGE_TYPES
    file_id = str(new_id())
    files[file_id] = LoadedFile(name, is_image, data_url=DATA + url[len(DATA) :])
    marks = {name: item[name] for name in ("part_of", "detail") if name in item}
    return {"type": INLINE["image" if is_image else "file"], "file_id": file_id, "name": name, "tokens": 0, **marks}


def shown_items(items: Sequence[AnyItem]) -> Sequence[AnyItem]:
    """Return items in which those of inline files are as all others."""
    kinds = {inline: kind for kind, inline in INLINE.items()}
    return [{**item, "type": kinds.get(item["type"], item["type"])} for item in items]


class TransientHandler(RequestHandler):
    """Shows the model what the service's own handler would, and keeps nothing.

    Args:
        files: of the request, by the ids in its items.
    """

    def __init__(self, handler: RequestHandler, clock: Clock, files: dict[str, LoadedFile]) -> None:
        self._handler = handler
        self._clock = clock
        self._files = files

    async def identify(self, request: Request) -> Identity:  # noqa: ARG002  who asks is known
        raise NotAuthenticated("Nobody asks by this handler.")

    async def begin_turn(self, identity: Identity, new: NewTurn) -> OpenTurn:
        return replace(_open_turn(identity.user_id, new, self._clock), is_kept=False)

    async def chat_prompt(self, begun: OpenTurn) -> ChatPrompt:
        prompt = await self._handler.chat_prompt(begun)
        prompt.files = {**prompt.files, **self._files}
        return prompt

    async def end_turn(self, begun: OpenTurn, outcome: Outcome) -> Turn | None:
        return new_turn(begun).model_copy(
            update={
                "status": outcome.status,
                "finish_reason": outcome.finish_reason,
                "reply": _reply(outcome),
                "usage": _usage(outcome),
                "error": outcome.error_code and TurnError(code=outcome.error_code, detail=outcome.error_detail or ""),
                "completed_at": self._clock(),
            }
        )


def _open_turn(user_id: UUID, new: NewTurn, clock: Clock) -> OpenTurn:
    return OpenTurn(
        id=new_id(),
        user_id=user_id,
        conversation_id=new.conversation_id,
        content=new.content or "",
        created_at=clock(),
        parent_id=new.parent_id,
        system_prompt=new.instructions,
        model=new.model,
        params=new.params,
        items=new.items,
        tools=new.tools,
    )


def _reply(outcome: Outcome) -> Reply:
    items = None if outcome.reply_items is None else list(outcome.reply_items)
    return Reply(content=outcome.reply, items=items, refusal=refusal_of(items))


def _usage(outcome: Outcome) -> TokenUsage | None:
    if outcome.input_tokens is None or outcome.output_tokens is None:
        return None
    return TokenUsage(**{name: getattr(outcome, name) for name in TokenUsage.model_fields})


async def answer_once(
    chat: Chat, identity: Identity, new: NewTurn, files: dict[str, LoadedFile], *, goes_on: bool = False
) -> TurnStream:
    """Have a turn answered that is not kept.

    Args:
        goes_on: show the model what is kept of the conversation, up to the turn `new.parent_id` or its head.

    Raises:
        NotFound: there is no such conversation.
        TooManyGenerations: the service is full.
    """
    handler = TransientHandler(chat.handler, chat.clock, files)
    with chat.generations.reserve(identity.user_id, is_guest=identity.is_guest) as start:
        begun = await handler.begin_turn(identity, new)
        begun = replace(begun, model=new.model or chat.turn_store.model.default_name)
        if goes_on:
            begun = await _with_earlier(chat, identity.user_id, begun)
        return TurnStream(begun, start(begun, handler), chat.turn_store, chat.flush_seconds)


async def _with_earlier(chat: Chat, user_id: UUID, begun: OpenTurn) -> OpenTurn:
    kept = await require_record(chat.database, user_id, begun.conversation_id)
    path = path_up(chat.database, user_id, begun.conversation_id, start_id=begun.parent_id, limit=MAX_EARLIER)
    earlier: list[EarlierTurn] = []
    characters = 0
    async with aclosing(path) as turns:
        async for turn in turns:
            earlier.append(earlier_turn(turn))
            characters += len(turn.prompt.content) + (len(turn.reply.content) if turn.reply else 0)
            if characters >= MAX_EARLIER_CHARACTERS:
                break
    system_prompt = kept.system_prompt if begun.system_prompt is None else begun.system_prompt
    return replace(begun, earlier=tuple(earlier), position=len(earlier), system_prompt=system_prompt)


def earlier_turn(turn: Turn) -> EarlierTurn:
    """Return a kept turn as the model is shown it."""
    reply = turn.reply
    return EarlierTurn(
        turn.prompt.content,
        reply.content if reply else None,
        turn.prompt.items,
        reply.items if reply else None,
        turn.continues is not None,
    )
