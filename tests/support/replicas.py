"""A replica of its own for a test: its turns, and the lease that they stand under."""

from chatkeep.chat.generation.recovery import Recovery
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.history.store import TurnStore
from chatkeep.chat.models import LanguageModel
from chatkeep.chat.models.demonstration import DemonstrationModel
from chatkeep.chat.search.indexer import index_ended
from chatkeep.clock import utc_now
from chatkeep.database.database import Database


class ReplicaStore(TurnStore):
    """The turns of one replica, with the replica."""

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: int,
        model: LanguageModel | None = None,
        counted_models: tuple[str, ...] = (),
        replica: Replica | None = None,
    ) -> None:
        self.replica = replica or Replica(database, utc_now, lease_seconds=lease_seconds)
        super().__init__(
            database,
            utc_now,
            replica_id=self.replica.id,
            model=model or DemonstrationModel(),
            counted_models=counted_models,
        )

    async def index(self) -> None:
        """Make the turns findable that it ended."""
        await index_ended(self.database, self.ended_turns.take())

    def recovery(self) -> Recovery:
        return Recovery(self, self.replica)
