"""How many siblings the turns of an export have, told while they stream by in their order.

Someone's file may have tens of thousands of turns at one distance from the root, and an export meets them batch by
batch. Counted anew for each batch, they would cost their square. So a level that lies within a batch is counted from
the batch, and one that a batch cuts is looked up for thousands of its turns at a time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from uuid import UUID

from chatkeep.chat.records import TurnRecord
from chatkeep.database.database import Database
from chatkeep.transfer import export_queries as queries

# So much is held of one level, and a level of more is read once for every so many: few enough to hold for each export.
TURNS_PER_LOOKUP = 5000

Level = tuple[UUID, int]
# How many siblings, and which of them. Thousands are held, so these are no `Siblings`.
Numbers = tuple[int, int]

ALONE = 1, 1


class SiblingNumbers:
    """Args:
    newest_id: turns that are newer are not in the export, and not counted.
    """

    def __init__(self, database: Database, user_id: UUID, newest_id: UUID) -> None:
        self._database = database
        self._user_id = user_id
        self._newest_id = newest_id
        self._cut: Level | None = None
        self._known: Mapping[UUID, Numbers] = {}

    async def of_batch(self, rows: Sequence[TurnRecord]) -> Mapping[UUID, Numbers]:
        """Return the numbers of a batch's turns by their ids; the batches come in the order of the export."""
        numbers: dict[UUID, Numbers] = {}
        last = _level(rows[-1])
        for level, turns in groupby(rows, _level):
            if level in (self._cut, last):
                numbers |= await self._looked_up(level, [turn.id for turn in turns])
            else:
                numbers |= _counted(turns)
        self._cut = last
        return numbers

    async def _looked_up(self, level: Level, ids: Sequence[UUID]) -> Mapping[UUID, Numbers]:
        missing = next((each for each in ids if each not in self._known), None)
        numbers = {each: self._known[each] for each in ids if each in self._known}
        if missing is None:
            return numbers
        found = await self._database.rows(
            queries.SIBLINGS_FROM,
            user_id=self._user_id,
            conversation_id=level[0],
            position=level[1],
            first_id=missing,
            newest_id=self._newest_id,
            limit=TURNS_PER_LOOKUP,
        )
        self._known = {each.id: (each.sibling_count, each.sibling_position) for each in found}
        # One that was deleted since its batch was read has none.
        return numbers | {each: self._known.get(each, ALONE) for each in ids if each not in numbers}


def _level(turn: TurnRecord) -> Level:
    return turn.conversation_id, turn.position


def _counted(turns: Iterable[TurnRecord]) -> Mapping[UUID, Numbers]:
    """Return the numbers of all turns of one level, oldest first."""
    parents = {turn.id: turn.parent_id for turn in turns}
    counts, seen = Counter(parents.values()), Counter[UUID | None]()
    numbers = {}
    for each, parent in parents.items():
        seen[parent] += 1
        numbers[each] = counts[parent], seen[parent]
    return numbers
