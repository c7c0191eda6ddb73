"""A conversation that comes from a file, whichever program wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from chatkeep.chat.items import JsonItem
from chatkeep.chat.status import Status

# Where a conversation's metadata keeps what had no place elsewhere.
KEPT_ASIDE = "import"
MAX_MODEL_CHARACTERS = 200
# Programs that have no date write one all the same: year 1 (Go, .NET), 1601 (Windows), 1900 (spreadsheets), the first
# day of 1970 in some time zone (Unix), or the last of 9999. Nobody chatted then.
MIN_TIME = datetime(1970, 1, 2, tzinfo=UTC)
# A clock that is ahead by more is no clock.
MAX_AHEAD = timedelta(days=1)


def plausible_time(time: datetime | None, now: datetime | None = None) -> datetime | None:
    """Return a time that a file tells; None where it stands for "no date".

    Args:
        now: None looks at how early the time is only.
    """
    if time is None or time < MIN_TIME or (now is not None and time > now + MAX_AHEAD):
        return None
    return time


class Unreadable(Exception):
    """One conversation of a file that cannot be kept; the others can.

    Args:
        reason: a sentence for a person, which quotes nothing of what was said.
    """

    def __init__(self, reason: str, source_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.source_id = source_id


class UnknownFormat(Unreadable):
    """Nothing that any of the formats has."""

    def __init__(self, reason: str = "This is not a conversation of a known format.") -> None:
        super().__init__(reason)


class FileToFind(dict[str, Any]):
    """An item that becomes a file of the turn where its bytes are found. Until then, and otherwise, it is a name.

    Args:
        kind: an `image` is nothing but a picture that can be shown; a `file` is any type that is taken.
        source: a data: URL, or what the other program calls it, which its name in the ZIP begins with.
        rest: what else the file says of it.
    """

    def __init__(self, kind: Literal["image", "file"], source: str, name: str | None, rest: Mapping[str, Any]) -> None:
        named = {"name": name} if name else {}
        super().__init__({"type": kind, **named, **({KEPT_ASIDE: dict(rest)} if rest else {})})
        self.source = source


@dataclass(slots=True)
class ImportedTurn:
    """A prompt and its reply.

    Args:
        parent: the place of the turn before it in the conversation's list; None at the root.
        created_at: None where the file does not say.
        prompt_items, reply_items: None where there is nothing but text.
        continues: it has no prompt: its reply goes on where that of its parent ended. False is None.
        source_id: the other program's id of its last message.
        earlier_ids: those of its messages before: a turn that ended with one of them is this one, grown.
        parent_source_id: the source id of the turn before it, where that is in an earlier part of a large conversation.
    """

    parent: int | None
    prompt: str
    reply: str | None = None
    status: Status = "complete"
    model: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    prompt_items: list[JsonItem] | None = None
    reply_items: list[JsonItem] | None = None
    left_out: int | None = None
    continues: bool | None = None
    error_code: str | None = None
    error_detail: str | None = None
    rating: int | None = None
    comment: str | None = None
    source_id: str | None = None
    earlier_ids: tuple[str, ...] = ()
    parent_source_id: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(slots=True)
class ImportedConversation:
    """A tree of turns.

    Args:
        source: which program it comes from.
        source_id: what that program calls it.
        turns: each after the one before it on its path.
        in_order: they are in the order in which they began, siblings too; otherwise their times say it.
        head: the place of the turn that the active path ends with; None takes the newest.
        aside: what has no place in a turn; it goes into the metadata, under `KEPT_ASIDE`.
        owner: the user of the other program whose it is; None where the file does not say.
        head_source_id: the source id of the turn that the active path ends with, in whichever part it is.
        is_part: it goes on with one that was kept before: see `chatkeep.transfer.large_conversations`.
    """

    source: str
    source_id: str
    turns: list[ImportedTurn]
    title: str | None = None
    system_prompt: str | None = None
    model: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    archived: bool = False
    pinned: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    in_order: bool = False
    head: int | None = None
    aside: dict[str, Any] = field(default_factory=dict)
    owner: str | None = None
    head_source_id: str | None = None
    is_part: bool = False
