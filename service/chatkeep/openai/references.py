"""Items of an input that refer to kept ones by their ids: each stands for the item itself.

Threats: a reference to somebody else's item, which is as if it were missing; and a short request that makes a long
prompt, as by a thousand references to one long item.

Source: openai-python 3.57, `response_input_item_param.py`, `ItemReference`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database
from chatkeep.database.stored_json import object_of
from chatkeep.errors import Invalid, NotFound
from chatkeep.openai.ids import item_place
from chatkeep.openai.output_items import items_by_our_ids
from chatkeep.openai.queries import API_TURNS

TURNS_AT_ONCE = 20
MAX_REFERRED_CHARACTERS = 2_000_000
TOO_MUCH = "The items that the input refers to are too long together. Go on from a response or a conversation instead."

Items = Sequence[Mapping[str, Any]]


def is_reference(item: Mapping[str, Any]) -> bool:
    """Tell whether an item is but the id of another; OpenAI's clients may leave out its type."""
    return item.get("type") in ("item_reference", None) and "role" not in item and isinstance(item.get("id"), str)


async def with_referred_items(database: Database, user_id: UUID, given: Items, *, field: str) -> Items:
    """Return an input with the items that it refers to in place of the references.

    Args:
        field: of the request, for errors.

    Raises:
        NotFound: there is no such item of the user's.
        Invalid: the items are too long together.
    """
    if not any(map(is_reference, given)):
        return given
    found = await _items_by_id(database, user_id, [item["id"] for item in given if is_reference(item)], field)
    left = MAX_REFERRED_CHARACTERS
    resolved: list[Mapping[str, Any]] = []
    for item in given:
        if is_reference(item):
            item, length = found[item["id"]]  # noqa: PLW2901  it stands for that
            left -= length
            _require(left >= 0, field)
        resolved.append(item)
    return resolved


async def _items_by_id(
    database: Database, user_id: UUID, ids: Sequence[str], field: str
) -> dict[str, tuple[Mapping[str, Any], int]]:
    """Return each item with its length as JSON."""
    wanted = {each: _turn_of(each, field) for each in ids}
    turn_ids, left = list(dict.fromkeys(wanted.values())), MAX_REFERRED_CHARACTERS
    found: dict[str, tuple[Mapping[str, Any], int]] = {}
    for start in range(0, len(turn_ids), TURNS_AT_ONCE):
        some = turn_ids[start : start + TURNS_AT_ONCE]
        for row in await database.rows(API_TURNS, user_id=user_id, turn_ids=some):
            if object_of(row.request).get("deleted"):
                continue
            for item in items_by_our_ids(Turn.from_record(row)):
                if item["id"] in wanted:
                    length = len(json.dumps(item, ensure_ascii=False))
                    found[item["id"]], left = (item, length), left - length
        _require(left >= 0, field)
    for each in ids:
        if each not in found:
            raise _missing(each, field)
    return found


def _turn_of(text: str, field: str) -> UUID:
    try:
        return item_place(text)[0]
    except NotFound:
        raise _missing(text, field) from None


def _missing(text: str, field: str) -> NotFound:
    return NotFound(
        f"Item with id {text[:100]!r} not found: it was deleted, or never kept, or is not yours. Send the item itself.",
        param=field,
    )


def _require(fits: bool, field: str) -> None:
    if not fits:
        raise Invalid(TOO_MUCH, param=field)
