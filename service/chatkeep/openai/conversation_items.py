"""The items of a conversation: those of the turns on its active path, one after the other."""

from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

from chatkeep.accounts.identity import Identity
from chatkeep.chat.chat import Chat
from chatkeep.chat.history.pages import turns_down, turns_up
from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.errors import NotFound
from chatkeep.openai.ids import item_place
from chatkeep.openai.input_items import Prompt
from chatkeep.openai.lists import list_of
from chatkeep.openai.output_items import items_by_our_ids
from chatkeep.openai.schemas import JsonObject
from chatkeep.openai.turns import ApiRequest, keep_request, require_kept

Order = Literal["asc", "desc"]
TURNS_AT_ONCE = 50
# No model said anything in it.
NO_MODEL = ""
# A page ends after so much text, however many items were asked for: it is written in the event loop.
MAX_PAGE_CHARACTERS = 1_000_000


async def items_page(
    database: Database, user_id: UUID, conversation_id: UUID, *, order: Order, after: str | None, limit: int
) -> JsonObject:
    """Return one page of a conversation's items.

    Raises:
        NotFound: `after` is none of its items.
    """
    first, number = None, -1
    if after is not None:
        first, number = await _turn_of(database, user_id, conversation_id, after), item_place(after)[1]
    page: list[JsonObject] = []
    characters, has_more = 0, False
    at_once = min(TURNS_AT_ONCE, limit + 1)
    async for turn in path_of(database, user_id, conversation_id, order, first, at_once=at_once):
        items = items_by_our_ids(turn) if order == "asc" else items_by_our_ids(turn)[::-1]
        if first is not None and turn.id == first.id:
            items = [item for item in items if _comes_after(item, number, order)]
        if items and characters > MAX_PAGE_CHARACTERS:
            has_more = True
            break
        page += items
        characters += _length(turn)
        if len(page) > limit:
            has_more = True
            break
    return list_of(page[:limit], has_more=has_more)


def _length(turn: Turn) -> int:
    return len(turn.prompt.content) + (len(turn.reply.content) if turn.reply else 0)


async def add_items(chat: Chat, identity: Identity, conversation_id: UUID, prompt: Prompt) -> list[JsonObject]:
    """Keep items as a turn that no model answers; return them as they are listed. Raises: as `TurnStore.begin`."""
    new = NewTurn(conversation_id=conversation_id, content=prompt.text, items=prompt.items, model=NO_MODEL)
    begun = await chat.handler.begin_turn(identity, new)
    await chat.handler.end_turn(begun, Outcome("complete"))
    said = ApiRequest({"kind": "items", "conversation": str(conversation_id)})
    await keep_request(chat.database, identity.user_id, begun.id, said)
    return items_by_our_ids((await require_kept(chat.database, identity.user_id, begun.id)).turn)


def _comes_after(item: JsonObject, number: int, order: Order) -> bool:
    own = item_place(str(item["id"]))[1]
    return own > number if order == "asc" else own < number


async def _turn_of(database: Database, user_id: UUID, conversation_id: UUID, item_id: str) -> Turn:
    kept = await require_kept(database, user_id, item_place(item_id)[0])
    if kept.turn.conversation_id != conversation_id:
        raise NotFound
    return kept.turn


async def require_item(
    database: Database, user_id: UUID, conversation_id: UUID, item_id: str
) -> tuple[Turn, int, JsonObject]:
    """Return the turn of an item, its number there, and the item.

    Raises:
        NotFound: the conversation has no such item.
    """
    turn = await _turn_of(database, user_id, conversation_id, item_id)
    item = next((each for each in items_by_our_ids(turn) if each["id"] == item_id), None)
    if item is None:
        raise NotFound
    return turn, item_place(item_id)[1], item


async def path_of(
    database: Database,
    user_id: UUID,
    conversation_id: UUID,
    order: Order,
    first: Turn | None,
    *,
    at_once: int = TURNS_AT_ONCE,
) -> AsyncIterator[Turn]:
    """Yield the turns of the active path; from `first` on where that is given."""
    start_id, position = None if first is None else first.id, 0 if first is None else first.index
    while True:
        if order == "asc":
            part = await turns_down(database, user_id, conversation_id, first=position, limit=at_once)
        else:
            part = await turns_up(database, user_id, conversation_id, start_id=start_id, limit=at_once)
        for turn in part.turns:
            yield turn
        if not part.more or not part.turns:
            return
        start_id, position = part.turns[-1].parent_id, part.turns[-1].index + 1
