"""A conversation that was imported before and is longer now: what is new is added, and nothing twice.

A turn is known again by the other program's id of its last message. What the user did here since stays: turns, ratings,
the title, and the branch that they went on with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.database import Database
from chatkeep.transfer import grown_queries as queries
from chatkeep.transfer import import_queries
from chatkeep.transfer.grown_queries import KnownTurn
from chatkeep.transfer.imported_files import ImportedFiles, LeftOutFile, references_of
from chatkeep.transfer.rows import ConversationRows, Row


@dataclass(frozen=True, slots=True)
class Grown:
    """A conversation with its new turns.

    Args:
        turn_count: of all of its turns.
        turns_added: those that are new, and those that were not answered before.
    """

    title: str | None
    turn_count: int
    turns_added: int
    left_out: Sequence[LeftOutFile]


async def with_something_new(database: Database, user_id: UUID, read: Mapping[UUID, ConversationRows]) -> set[UUID]:
    """Return which of these conversations, that were imported before, may have turns that are not here.

    In one statement for all of them: a file that is imported again is of thousands that have not changed.
    """
    messages = [(kept_id, name) for kept_id, rows in read.items() for name in rows.message_ids()]
    if not messages:
        return set()
    async with database.transaction() as connection:
        known = await queries.known_messages(connection, user_id, messages)
    continued = {conversation_id for conversation_id, _ in known}
    return {
        kept_id
        for kept_id, rows in read.items()
        if (kept_id in continued or rows.is_part)
        and not all((kept_id, source_id) in known for source_id, _ in rows.source_ids)
    }


async def continue_conversation(
    database: Database,
    user_id: UUID,
    conversation_id: UUID,
    rows: ConversationRows,
    files: ImportedFiles,
    origin: int,
) -> Grown | None:
    """Add the turns that a conversation does not have yet; None where it has all of them."""
    async with database.transaction() as connection:
        known = await queries.known_turns(connection, user_id, conversation_id, rows.message_ids())
    # One of before turns had ids of the other program cannot be continued: nothing tells what is new.
    if (not known and not rows.is_part) or all(source_id in known for source_id, _ in rows.source_ids):
        return None
    new = _new_turns(conversation_id, rows, known)
    left_out = await files.attach(new.turns, origin)
    async with database.transaction() as connection:
        conversation = await queries.lock_conversation(connection, user_id, conversation_id)
        if conversation is None:
            return None
        # Somebody may have imported the same right now.
        again = await queries.known_turns(connection, user_id, conversation_id, rows.message_ids())
        if again.keys() != known.keys():
            return None
        await _answer(connection, user_id, conversation_id, new)
        await _add(connection, user_id, new)
        imported = await queries.count_imported_turns(connection, user_id, conversation_id)
        is_untouched = conversation.turn_count + len(new.turns) - len(new.answered) == imported
        head = new.head if is_untouched or conversation.head_turn_id in new.path else conversation.head_turn_id
        added = len(new.turns) - len(new.answered)
        await queries.grow_conversation(connection, user_id, conversation_id, head, added, rows.conversation)
        await import_queries.count_conversations(connection, user_id, 0, added)
    return Grown(conversation.title, conversation.turn_count + added, len(new.turns), left_out)


@dataclass(frozen=True, slots=True)
class _New:
    """The turns that are not there yet.

    Args:
        turns: rows; those that answer a turn that is there have its id.
        answered: the ids of those.
        sources: (conversation, turn, source id) of all of them.
        head: the turn that the file's active path ends with, as it is called here.
        path: the turns of that path.
    """

    turns: list[Row]
    answered: set[UUID]
    sources: list[tuple[UUID, UUID, str]]
    head: UUID
    path: set[UUID]


def _new_turns(conversation_id: UUID, rows: ConversationRows, known: Mapping[str, KnownTurn]) -> _New:
    here: dict[UUID, UUID] = {}
    positions: dict[UUID, int] = {}
    parents: dict[UUID, UUID | None] = {}
    taken = {source_id for source_id, _ in rows.source_ids}
    new = _New([], set(), [], rows.conversation["head_turn_id"], set())
    for turn, (source_id, earlier) in zip(rows.turns, rows.source_ids, strict=True):
        parent = None if turn["parent_id"] is None else here[turn["parent_id"]]
        if (above := known.get(rows.outside.get(turn["id"], ""))) is not None:
            parent, positions[above.id] = above.id, above.position
        found = known.get(source_id)
        if found is None:
            position = 0 if parent is None else positions[parent] + 1
            unanswered = _unanswered(earlier, known, taken)
            turn_id = turn["id"] if unanswered is None else unanswered.id
            new.turns.append(
                {**turn, "id": turn_id, "conversation_id": conversation_id, "parent_id": parent, "position": position}
            )
            new.sources.append((conversation_id, turn_id, source_id))
            if unanswered is not None:
                new.answered.add(turn_id)
        else:
            turn_id, position, parent = found.id, found.position, found.parent_id
        here[turn["id"]], positions[turn_id], parents[turn_id] = turn_id, position, parent
    # That of a large conversation may be in an earlier part.
    head = known.get(rows.head_source_id or "") if rows.is_part else None
    return _with_path(new, here, parents, None if head is None else head.id)


def _unanswered(earlier: Sequence[str], known: Mapping[str, KnownTurn], taken: set[str]) -> KnownTurn | None:
    """Return the turn that ended with an earlier message of this one, and that nobody answered; once for each."""
    for source_id in reversed(earlier):
        found = known.get(source_id)
        if found is not None and found.is_unanswered and source_id not in taken:
            taken.add(source_id)
            return found
    return None


def _with_path(new: _New, here: Mapping[UUID, UUID], parents: Mapping[UUID, UUID | None], head: UUID | None) -> _New:
    head = here[new.head] if head is None else head
    at: UUID | None = head
    while at is not None and at not in new.path:
        new.path.add(at)
        at = parents.get(at)
    return _New(new.turns, new.answered, new.sources, head, new.path)


async def _answer(connection: AsyncConnection, user_id: UUID, conversation_id: UUID, new: _New) -> None:
    """Write the answers of turns that had none."""
    answers: list[dict[str, Any]] = [turn for turn in new.turns if turn["id"] in new.answered]
    if answers:
        await queries.answer_turns(connection, user_id, conversation_id, answers)


async def _add(connection: AsyncConnection, user_id: UUID, new: _New) -> None:
    added = [turn for turn in new.turns if turn["id"] not in new.answered]
    await import_queries.insert_turns(connection, added)
    await import_queries.insert_turn_sources(connection, user_id, new.sources)
    await import_queries.refer_to_files(connection, user_id, references_of(new.turns))
    await import_queries.await_lexemes(connection, new.turns)
