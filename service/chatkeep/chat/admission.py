"""Whether a new turn has a chance, by what this process knows without asking anybody."""

from dataclasses import dataclass

from chatkeep.chat.generation.registry import RETRY_AFTER_SECONDS, GenerationRegistry
from chatkeep.database.database import Database
from chatkeep.errors import TooManyGenerations
from chatkeep.loop_lag import LoopLag

# So many replies are never too many for a process. Beyond that it takes more for as long as its loop is in time: what
# a slow model writes costs nearly nothing, what a fast one writes costs the time in which lists are read.
ALWAYS = 96
MAX_LAG_SECONDS = 0.05
CONGESTED = "More is asked of the service than it can do in time. Try again soon."


@dataclass(frozen=True, slots=True)
class TurnAdmission:
    """See `chatkeep.http.admission`."""

    generations: GenerationRegistry
    database: Database
    lag: LoopLag

    def require_room(self, *, may_be_retry: bool) -> None:
        """Refuse a turn for which there is no place or, in time, no connection.

        A retry may join a turn that has its place already, so it is refused only where the database could not even be
        asked for that turn.

        Raises:
            TooManyGenerations: nothing was stored.
        """
        if self.database.is_congested:
            raise TooManyGenerations(CONGESTED, RETRY_AFTER_SECONDS)
        if may_be_retry:
            return
        self.generations.require_room()
        if len(self.generations) >= ALWAYS and self.lag.seconds > MAX_LAG_SECONDS:
            raise TooManyGenerations(CONGESTED, RETRY_AFTER_SECONDS)
