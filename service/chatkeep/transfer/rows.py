"""Imported turns in the order of time: their ids and their times, so that every list has them where they belong.

A turn's id is its place in time (UUIDv7), and a filter by time first looks at ids. So the ids of what is imported are
made from its own times, growing along every path and from sibling to sibling. A time that cannot be true, before the
turn that it answers or in the future, is moved, and what the file said is kept aside. One that stands for "no date" is
taken for none.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chatkeep.chat.history.conversations import title_from
from chatkeep.ids import id_at
from chatkeep.transfer.formats.fields import MAX_SOURCE_ID_CHARACTERS, digest_of
from chatkeep.transfer.imported import (
    KEPT_ASIDE,
    MAX_MODEL_CHARACTERS,
    ImportedConversation,
    ImportedTurn,
    plausible_time,
)
from chatkeep.transfer.sanitize import require_shallow

# How far clocks of several processes are apart at most; filters by time look this much further, and more.
SLACK = timedelta(seconds=5)
CHANCE_BYTES = 8
MAX_TITLE_CHARACTERS = 500
# Of a turn, what is a column of its row as it stands.
NO_COLUMNS = ("parent", "source_id", "earlier_ids", "parent_source_id")
COLUMNS = [name for name in ImportedTurn.__slots__ if name not in NO_COLUMNS]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConversationRows:
    """Rows for the tables.

    Args:
        source_ids: of each turn the other program's id of its last message, and those of its messages before.
        outside: by the ids of turns, the source ids of their parents in an earlier part of the conversation.
        head_source_id, is_part: as of an `ImportedConversation`.
    """

    conversation: Row
    turns: list[Row] = field(default_factory=list)
    source_ids: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    outside: dict[UUID, str] = field(default_factory=dict)
    head_source_id: str | None = None
    is_part: bool = False

    def sources(self) -> list[tuple[UUID, UUID, str]]:
        """Return (conversation, turn, source id) of each turn."""
        return [
            (turn["conversation_id"], turn["id"], source_id)
            for turn, (source_id, _) in zip(self.turns, self.source_ids, strict=True)
        ]

    def message_ids(self) -> list[str]:
        """Return every id that a turn of this conversation may be known by."""
        own = (each for last, earlier in self.source_ids for each in (last, *earlier))
        around = (*self.outside.values(), self.head_source_id) if self.is_part else ()
        return list(dict.fromkeys(each for each in (*own, *around) if each is not None))


def to_rows(conversation: ImportedConversation, user_id: UUID, now: datetime) -> ConversationRows:
    """Return the rows that keep a conversation.

    Raises:
        Unreadable: the database could not keep something of it.
    """
    _cut(conversation)
    for turn in conversation.turns:
        require_shallow(turn.prompt_items)
        require_shallow(turn.reply_items)
    told = [turn.created_at for turn in conversation.turns]
    _take_away_no_dates(conversation, now)
    begun = _begun(conversation, now)
    _settle(conversation.turns, begun, now)
    order = _order(conversation)
    numbers = {place: number for number, place in enumerate(order)}
    # At once: each asking is a call to the kernel.
    chance = secrets.token_bytes(CHANCE_BYTES * (len(order) + 2))
    ids = _ids([conversation.turns[place] for place in order], chance[2 * CHANCE_BYTES :])
    counter, below = (int.from_bytes(chance[start : start + CHANCE_BYTES]) for start in (0, CHANCE_BYTES))
    conversation_id = id_at(begun, counter >> 52, below >> 2)
    by_place = {place: ids[number] for place, number in numbers.items()}
    rows = _turn_rows(conversation.turns, by_place, user_id, conversation_id)
    head = conversation.head if conversation.head is not None else (order[-1] if order else None)
    latest = max((turn.created_at for turn in conversation.turns if turn.created_at), default=begun)
    moved = [
        {"turn": numbers[place], "created_at": was.isoformat()}
        for place, was in enumerate(told)
        if was is not None and was != conversation.turns[place].created_at
    ]
    return ConversationRows(
        {
            "user_id": user_id,
            "id": conversation_id,
            "title": conversation.title or _title(conversation),
            "system_prompt": conversation.system_prompt,
            "model": conversation.model,
            "params": conversation.params,
            "extra": _metadata(conversation, numbers, moved),
            "archived": conversation.archived,
            "pinned": conversation.pinned,
            "head_turn_id": None if head is None else by_place[head],
            "turn_count": len(rows),
            "created_at": begun,
            "updated_at": min(conversation.updated_at or latest, now),
            "last_turn_at": latest,
        },
        [rows[place] for place in order],
        [_source_ids(conversation.turns[place], place) for place in order],
        {
            by_place[place]: turn.parent_source_id
            for place, turn in enumerate(conversation.turns)
            if turn.parent_source_id is not None
        },
        conversation.head_source_id,
        conversation.is_part,
    )


def _source_ids(turn: ImportedTurn, place: int) -> tuple[str, tuple[str, ...]]:
    last = turn.source_id or str(place)
    return _short(last), tuple(map(_short, turn.earlier_ids))


def _short(source_id: str) -> str:
    return source_id if len(source_id) <= MAX_SOURCE_ID_CHARACTERS else digest_of(source_id)


def _cut(conversation: ImportedConversation) -> None:
    """Cut names that are too long, and keep them whole aside."""
    if conversation.title and len(conversation.title) > MAX_TITLE_CHARACTERS:
        conversation.aside["title"] = conversation.title
        conversation.title = conversation.title[:MAX_TITLE_CHARACTERS]
    models: list[str] = []
    for turn in conversation.turns:
        if turn.model and len(turn.model) > MAX_MODEL_CHARACTERS:
            models.append(turn.model)
            turn.model = turn.model[:MAX_MODEL_CHARACTERS]
    if models:
        conversation.aside["models"] = list(dict.fromkeys(models))


def _take_away_no_dates(conversation: ImportedConversation, now: datetime) -> None:
    conversation.created_at = plausible_time(conversation.created_at, now)
    conversation.updated_at = plausible_time(conversation.updated_at, now)
    for turn in conversation.turns:
        turn.created_at, turn.completed_at = (
            plausible_time(turn.created_at, now),
            plausible_time(turn.completed_at, now),
        )


def _begun(conversation: ImportedConversation, now: datetime) -> datetime:
    known = [turn.created_at for turn in conversation.turns if turn.created_at is not None]
    return min(conversation.created_at or min(known, default=now), now)


def _settle(turns: list[ImportedTurn], begun: datetime, now: datetime) -> None:
    """Give every turn a time that can be true; parents come first."""
    for turn in turns:
        above = begun if turn.parent is None else turns[turn.parent].created_at or begun
        turn.created_at = min(turn.created_at or above, now)
        if turn.parent is not None and turn.created_at < above - SLACK:
            turn.created_at = above
        if turn.completed_at is not None:
            turn.completed_at = max(min(turn.completed_at, now), turn.created_at)


def _order(conversation: ImportedConversation) -> list[int]:
    """Return the places of the turns from the oldest to the newest, none before its parent."""
    turns = conversation.turns
    if conversation.in_order and _is_in_order(turns):
        return list(range(len(turns)))
    not_before: list[datetime] = []
    for turn in turns:
        own = turn.created_at
        assert own is not None  # noqa: S101  `_settle` has seen to it
        not_before.append(own if turn.parent is None else max(own, not_before[turn.parent]))
    return sorted(range(len(turns)), key=lambda place: not_before[place])


def _is_in_order(turns: list[ImportedTurn]) -> bool:
    latest: datetime | None = None
    for turn in turns:
        own = turn.created_at
        assert own is not None  # noqa: S101  `_settle` has seen to it
        latest = own if latest is None else max(latest, own)
        if latest - own > SLACK:
            return False
    return True


def _ids(turns: list[ImportedTurn], chance: bytes) -> list[UUID]:
    """Return an id for each turn, greater than those before it.

    Args:
        chance: `CHANCE_BYTES` for each.

    Source: RFC 9562, 6.2, method 1: a counter in the twelve bits below the time.
    """
    ids: list[UUID] = []
    latest, counter = None, 0
    for turn in turns:
        time = turn.created_at
        assert time is not None  # noqa: S101  `_settle` has seen to it
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
        if latest is None or time > latest:
            latest, counter = time, 0
        else:
            counter += 1
            if counter == 1 << 12:
                latest, counter = latest + timedelta(milliseconds=1), 0
        start = CHANCE_BYTES * len(ids)
        ids.append(id_at(latest, counter, int.from_bytes(chance[start : start + CHANCE_BYTES]) >> 2))
    return ids


def _turn_rows(turns: list[ImportedTurn], ids: dict[int, UUID], user_id: UUID, conversation_id: UUID) -> list[Row]:
    rows: list[Row] = []
    for place, turn in enumerate(turns):
        fields = {name: getattr(turn, name) for name in COLUMNS}
        rows.append(
            fields
            | {
                "user_id": user_id,
                "id": ids[place],
                "conversation_id": conversation_id,
                "parent_id": None if turn.parent is None else ids[turn.parent],
                "position": 0 if turn.parent is None else rows[turn.parent]["position"] + 1,
            }
        )
    return rows


def _title(conversation: ImportedConversation) -> str | None:
    """This service's own conversations have the title that they had, or none."""
    if conversation.in_order:
        return conversation.title
    return next((title for turn in conversation.turns if (title := title_from(turn.prompt or turn.reply or ""))), None)


def _metadata(
    conversation: ImportedConversation, numbers: dict[int, int], moved: list[dict[str, Any]]
) -> dict[str, Any]:
    aside: dict[str, Any] = dict(conversation.aside)
    if "messages" in aside:
        aside["messages"] = [each | {"turn": numbers.get(each["turn"])} for each in aside["messages"]]
    if moved:
        aside["times"] = moved
    aside = {name: value for name, value in aside.items() if value}
    if conversation.in_order and not aside:
        require_shallow(conversation.metadata)
        return conversation.metadata
    said = {"source": conversation.source, "source_id": conversation.source_id, **aside}
    metadata = conversation.metadata | {KEPT_ASIDE: said}
    require_shallow(metadata)
    return metadata
