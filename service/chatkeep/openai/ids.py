"""Ids under `/v1`, all computed from those of turns, conversations and files."""

import re
from uuid import UUID

from chatkeep.errors import NotFound

RESPONSE = "resp_"
COMPLETION = "chatcmpl-"
CONVERSATION = "conv_"
FILE = "file-"

_HEX = re.compile("[0-9a-f]{32}")
_ITEM = re.compile("[a-z]{2,8}_([0-9a-f]{32})_([0-9]{1,9})")
_PREFIXES = {
    "message": "msg",
    "refusal": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
}
OTHER_ITEM = "item"


def to_text(prefix: str, own_id: UUID) -> str:
    return f"{prefix}{own_id.hex}"


def to_own(prefix: str, text: str) -> UUID:
    """Return the id of ours in one of theirs.

    Raises:
        NotFound: it is none that this service made.
    """
    rest = text.removeprefix(prefix)
    if rest == text or not _HEX.fullmatch(rest):
        raise NotFound
    return UUID(hex=rest)


def item_id(turn_id: UUID, kind: str, number: int) -> str:
    """Return the id of an item; `number` counts those of the turn, the prompt's first, and never changes."""
    return f"{_PREFIXES.get(kind, OTHER_ITEM)}_{turn_id.hex}_{number}"


def item_place(text: str) -> tuple[UUID, int]:
    """Return the turn and the number in the id of an item.

    Raises:
        NotFound: as `to_own`.
    """
    found = _ITEM.fullmatch(text)
    if found is None:
        raise NotFound
    return UUID(hex=found[1]), int(found[2])
