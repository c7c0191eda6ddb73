"""A conversation and a turn with the columns that are read of them. Queries return these, and answers are made of
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chatkeep.chat.status import Status


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    id: UUID
    user_id: UUID
    title: str | None
    system_prompt: str | None
    model: str | None
    params: Mapping[str, Any]
    metadata: Mapping[str, Any]
    head_turn_id: UUID | None
    turn_count: int
    archived: bool
    pinned: bool
    created_at: datetime
    updated_at: datetime
    last_turn_at: datetime


# Not frozen: an export counts the siblings when it has a batch of them, and a store knows them from the beginning.
@dataclass(slots=True)
class TurnRecord:
    """A turn; of a reply that is being generated, the part that is written down.

    Args:
        sibling_count: turns with the same parent, this one among them.
        sibling_position: 1 for the oldest of them.
    """

    user_id: UUID
    conversation_id: UUID
    id: UUID
    parent_id: UUID | None
    position: int
    status: Status
    finish_reason: str | None
    continues: bool | None
    prompt: str
    prompt_items: Any
    reply: str | None
    reply_items: Any
    model: str | None
    params: Mapping[str, Any]
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    left_out: int | None
    error_code: str | None
    error_detail: str | None
    rating: Literal[1, -1] | None
    comment: str | None
    created_at: datetime
    completed_at: datetime | None
    sibling_count: int
    sibling_position: int


@dataclass(slots=True)
class ReadTurn(TurnRecord):
    """A turn of a page.

    Args:
        is_read: whether its texts and items are there. They are not where those before it are as many as fit.
    """

    is_read: bool
