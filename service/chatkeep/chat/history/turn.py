"""A turn at each step of its life: asked for, begun, ended."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from chatkeep.chat.items import AnyItem, JsonItem
from chatkeep.chat.models import FinishReason
from chatkeep.chat.models.context import EarlierTurn
from chatkeep.chat.status import Status
from chatkeep.database.statement import Row
from chatkeep.database.stored_json import object_of

# The columns of the turns before a new one, in the order of `EarlierTurn`; a row of BEGIN_TURN has an array of each.
EARLIER = ("prompt", "reply", "prompt_items", "reply_items", "continues")


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A request for a turn, before anything is kept.

    Args:
        content: None takes the prompt of the turn `sibling_of`.
        parent_id: the turn to continue; None continues the conversation's head.
        sibling_of: the turn to be another version of: the new one gets the same parent.
        model, params: None and missing names take the conversation's.
        items: what the prompt is made of beside its text; None takes those of `sibling_of` where `content` does.
        continues: go on with the reply of the turn `parent_id`, without a prompt.
        tools: `tools`, `tool_choice` and whatever else goes to the model server as it is, of this turn alone; it is not
            kept with the turn.
        instructions: in place of the conversation's system prompt, for this turn alone; not kept with the turn.
        max_earlier: how many of the turns before it the model is shown at most; None leaves that to the context.
    """

    conversation_id: UUID
    content: str | None
    parent_id: UUID | None = None
    sibling_of: UUID | None = None
    model: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    items: Sequence[AnyItem] | None = None
    continues: bool = False
    tools: Mapping[str, Any] = field(default_factory=dict)
    instructions: str | None = None
    max_earlier: int | None = None

    def digest(self) -> bytes:
        """Return a digest that is equal for two requests that ask for the same turn."""
        asked: list[object] = [
            self.content,
            str(self.parent_id),
            str(self.sibling_of),
            self.model,
            dict(self.params),
        ]
        # Of all others it is what it was before there were these.
        if self.items is not None or self.continues or self.tools:
            asked += [[dict(each) for each in self.items or ()], self.continues, dict(self.tools)]
        if self.instructions is not None:
            asked.append(self.instructions)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn whose prompt is kept and whose reply is to be generated.

    Args:
        earlier: newest first, as many as the context may need.
        is_replay: it was begun by an earlier request with the same idempotency key.
        is_kept: False for one that is answered and not kept: it has no row, and nothing of it is written down.
    """

    id: UUID
    user_id: UUID
    conversation_id: UUID
    content: str
    created_at: datetime
    parent_id: UUID | None = None
    position: int = 0
    sibling_count: int = 1
    system_prompt: str | None = None
    model: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    earlier: Sequence[EarlierTurn] = ()
    is_replay: bool = False
    items: Sequence[AnyItem] | None = None
    continues: bool = False
    tools: Mapping[str, Any] = field(default_factory=dict)
    is_kept: bool = True

    @classmethod
    def from_row(cls, row: Mapping[str, Any], new: NewTurn, *, id: UUID, user_id: UUID, created_at: datetime) -> Self:  # noqa: A002
        """Return the turn in a row of BEGIN_TURN, which tells where it stands and what comes before it."""
        return cls(
            id=row["same_id"] or id,
            user_id=user_id,
            conversation_id=new.conversation_id,
            parent_id=row["parent_id"],
            position=row["position"],
            content=row["prompt"],
            system_prompt=row["system_prompt"] if new.instructions is None else new.instructions,
            model=row["model"],
            params=object_of(row["params"]),
            sibling_count=row["sibling_count"],
            created_at=created_at,
            earlier=_earlier(row)[: new.max_earlier],
            is_replay=row["same_id"] is not None,
            items=row["prompt_items"],
            continues=bool(row["continues"]),
            tools=new.tools,
        )


@dataclass(frozen=True, slots=True)
class Beginning:
    """The outcome of BEGIN_TURN.

    Args:
        verdict: `begun`, `stale`, `in_progress`, `no_parent` or `repeated`.
        same_digest: of the request that had the same idempotency key.
        row: what `OpenTurn` is made of.
    """

    verdict: str
    streaming_turn_id: UUID | None
    same_digest: bytes | None
    row: Row

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(row["verdict"], row["streaming_turn_id"], row["same_digest"], row)


@dataclass(frozen=True, slots=True)
class UnfinishedTurn:
    """A turn that the database holds as `streaming`, and the replica that began it."""

    user_id: UUID
    conversation_id: UUID
    id: UUID
    replica_id: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended, with all that there was of the reply.

    Args:
        reply_items: None where there is nothing but text.
        left_out: how many of the turns before it the model was not shown; None where that is not known.
        first_text_ms: from when the prompt was kept to the first text; None where none came.
    """

    status: Status
    reply: str = ""
    reply_items: Sequence[JsonItem] | None = None
    finish_reason: FinishReason | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    left_out: int | None = None
    error_code: str | None = None
    error_detail: str | None = None
    first_text_ms: int | None = None


def _earlier(row: Mapping[str, Any]) -> tuple[EarlierTurn, ...]:
    columns = [row[f"earlier_{name}"] or () for name in EARLIER]
    return tuple(
        EarlierTurn(prompt, reply, prompt_items, reply_items, bool(continues))
        for prompt, reply, prompt_items, reply_items, continues in zip(*columns, strict=True)
    )
