"""The files that conversations of an earlier import lack.

An import without files may be followed by one of the same conversations with them.

What is there if the process dies: the files of the conversations before, each with its turns. A file that no turn has
yet is deleted a day later; importing again finds it, or brings it again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatkeep.chat.files.contents import file_ids_in
from chatkeep.chat.items import JsonItem, is_file
from chatkeep.database.database import Database
from chatkeep.transfer import import_queries as queries
from chatkeep.transfer.archive_files import MISSING
from chatkeep.transfer.import_queries import KeptTurn
from chatkeep.transfer.imported_files import FileRows, ImportedFiles, LeftOutFile, named_files, referring

Row = dict[str, Any]
Items = list[JsonItem] | None


@dataclass(frozen=True, slots=True)
class LateFiles:
    """The files that an import brought to a conversation that was here before.

    Args:
        added: how many files its turns have now that they had not.
        left_out: files that the import has and that could not be kept.
    """

    added: int = 0
    left_out: tuple[LeftOutFile, ...] = ()


async def add_late_files(
    database: Database, user_id: UUID, conversation_id: UUID, turns: Sequence[Row], files: ImportedFiles, origin: int
) -> LateFiles:
    """Have the turns of a conversation that was imported before refer to files that only now are there.

    Args:
        turns: rows as the file says them.
        origin: which of the imported files they come from.

    Raises:
        NotAuthenticated: the account was deleted in the meantime.
    """
    named = [turn for turn in turns if named_files(turn)]
    if not named:
        return LateFiles()
    async with database.transaction() as connection:
        positions = {turn["position"] for turn in named}
        kept = await queries.kept_turns(connection, user_id, conversation_id, positions)
    waiting = [(turn, each) for turn, each in _pairs(named, kept) if _lacks_files(turn, each)]
    if not waiting:
        return LateFiles()
    found, left_out = await files.find([turn for turn, _ in waiting], origin)
    added = await _refer(database, user_id, waiting, found)
    # That others are missing was said when the conversation came.
    return LateFiles(added, tuple(each for each in left_out if each.reason != MISSING))


def _pairs(turns: Sequence[Row], kept: Sequence[KeptTurn]) -> list[tuple[Row, KeptTurn]]:
    """Return each turn of the file with the kept one that says the same; siblings that do in the order of time."""
    by_words: dict[tuple[object, ...], list[KeptTurn]] = defaultdict(list)
    for each in kept:
        by_words[each.position, each.prompt, each.reply].append(each)
    pairs = []
    for turn in turns:
        candidates = by_words[turn["position"], turn["prompt"], turn["reply"]]
        same = next((each for each in candidates if _says_the_same(turn, each)), None)
        if same is not None:
            candidates.remove(same)
            pairs.append((turn, same))
    return pairs


def _says_the_same(turn: Row, kept: KeptTurn) -> bool:
    return _others(turn["prompt_items"]) == _others(kept.prompt_items) and (
        _others(turn["reply_items"]) == _others(kept.reply_items)
    )


def _others(items: Items) -> list[JsonItem]:
    """Return the items that are no files; none where there is nothing but text."""
    others = [item for item in items or () if not is_file(item)]
    return [] if all(item.get("type") == "message" for item in others) else others


def _lacks_files(turn: Row, kept: KeptTurn) -> bool:
    return len(_ids(kept.prompt_items, kept.reply_items)) < len(named_files(turn))


def _ids(prompt_items: Items, reply_items: Items) -> set[UUID]:
    return {*file_ids_in(prompt_items), *file_ids_in(reply_items)}


async def _refer(database: Database, user_id: UUID, waiting: Sequence[tuple[Row, KeptTurn]], found: FileRows) -> int:
    """Write down which turns have which files; return how many files there are more."""
    added: set[UUID] = set()
    async with database.transaction() as connection:
        # In one order, so that two imports of the same never wait for each other.
        for turn, kept in sorted(waiting, key=lambda pair: pair[1].id):
            prompt_items = referring(turn["prompt_items"], found)
            reply_items = referring(turn["reply_items"], found, is_reply=True)
            before, after = _ids(kept.prompt_items, kept.reply_items), _ids(prompt_items, reply_items)
            if not before < after:
                continue  # nothing new, or a file that the turn has is not in this import
            if await queries.replace_items(connection, user_id, kept, prompt_items, reply_items):
                await queries.refer_to_files(connection, user_id, [(kept.id, each) for each in after])
                added |= after - before
    return len(added)
