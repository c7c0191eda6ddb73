"""Reading what others wrote, on record before it is shown."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.database.database import Database


class Reading:
    """One reading of others' histories, in one piece or in several.

    Its first piece is one row, with everybody whose text is in it; a later piece is another row where it holds
    somebody new. So a reading of a million turns is not a million rows, and each account finds every reading that
    showed something of it.
    """

    def __init__(self, database: Database, audit: Recorder) -> None:
        self._database = database
        self._audit = audit
        self._shown: set[UUID] = set()
        self._begun = False

    async def note(self, action: Action, owner_ids: Iterable[UUID], **details: Any) -> None:
        """Commit who is about to be read. Call it before any of the piece leaves.

        Args:
            owner_ids: whose text the piece holds, or whose was asked for. The reader's own is nobody's business.
            details: as of `Recorder.record`.
        """
        new = set(owner_ids) - self._shown - {self._audit.origin.actor_id}
        if self._begun and not new:
            return
        async with self._database.transaction() as connection:
            await self._audit.record(connection, action, *new, **details)
        self._shown |= new
        self._begun = True
