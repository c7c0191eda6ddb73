"""Whether a new turn has a chance, by what this process knows without asking anybody."""

from dataclasses import dataclass

from chatkeep.chat.generation.registry import RETRY_AFTER_SECONDS, GenerationRegistry
from chatkeep.database.database import Database
from chatkeep.errors import TooManyGenerations

CONGESTED = "More is asked of the service than it can store in time. Try again soon."


@dataclass(frozen=True, slots=True)
class TurnAdmission:
    """See `chatkeep.http.admission`."""

    generations: GenerationRegistry
    database: Database

    def require_room(self, *, may_be_retry: bool) -> None:
        """Refuse a turn for which there is no place or, in time, no connection.

        A retry may join a turn that has its place already, so it is refused only where the database could not even be
        asked for that turn.

        Raises:
            TooManyGenerations: nothing was stored.
        """
        if self.database.is_congested:
            raise TooManyGenerations(CONGESTED, RETRY_AFTER_SECONDS)
        if not may_be_retry:
            self.generations.require_room()
