"""The background of a replica, when its database was away."""

from collections.abc import AsyncIterator

import pytest

from chatkeep.chat.generation.registry import GenerationRegistry
from chatkeep.chat.generation.replica import Replica
from chatkeep.chat.generation.worker import Worker
from chatkeep.chat.models import DemonstrationModel
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.errors import DatabaseUnavailable
from tests.chat.history.test_store import begin, new_conversation, new_user, turn, turn_store
from tests.support.replicas import ReplicaStore


class Nobody:
    def generation_began(self) -> None: ...

    def generation_asked(self) -> None: ...

    def generation_ended(self, status: str) -> None: ...


class CutOff(Replica):
    """A replica that can be kept from its database for a moment."""

    away = False

    async def renew_lease(self) -> None:
        if self.away:
            raise DatabaseUnavailable("away")
        await super().renew_lease()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, pool_size=4)
    yield database
    await database.close()


async def test_the_living_are_not_taken_for_dead_after_an_outage(database: Database) -> None:
    """The leases of all ran out meanwhile; each replica gives the others the time to say that they live."""
    user = await new_user(database)
    other = turn_store(database, lease_seconds=0)  # has not yet renewed its lease
    await other.replica.renew_lease()
    model = DemonstrationModel()
    replica = CutOff(database, utc_now, lease_seconds=600)
    store = ReplicaStore(database, lease_seconds=600, model=model, replica=replica)
    journal = Worker(
        store, replica, GenerationRegistry(model, max_running=1, max_waiting=1, observer=Nobody()), flush_seconds=600
    )
    await journal.open()
    try:
        begun = await begin(other, (user, await new_conversation(database, user)))
        replica.away = True
        with pytest.raises(DatabaseUnavailable):
            await journal._look_after()
        replica.away = False
        journal._renewed_at -= 600
        await journal._look_after()
        await journal._recover_in_time()
        assert (await turn(database, begun))["status"] == "streaming"
        assert journal._held_since is not None
        journal._held_since -= 600
        journal._renewed_at -= 600  # the process was asleep, as perhaps the others were
        await journal._recover_in_time()
        assert (await turn(database, begun))["status"] == "streaming"
        journal._renewed_at += 600
        await journal._recover_in_time()
        assert (await turn(database, begun))["status"] == "interrupted"
    finally:
        await journal.close()
