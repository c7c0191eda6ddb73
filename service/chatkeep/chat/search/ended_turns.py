"""The turns that this process ended a moment ago, on their way into the search index.

Their texts are at hand, so nobody has to read them again, and many are written together. What is there if the process
dies: the rows of `unsettled_turns`, from which any replica makes what is missing.
"""

from chatkeep.chat.search.index_queries import FinishedTurn

# Of what comes while there is more than that the rows are left to be found.
MAX_CHARACTERS = 16_000_000


class EndedTurns:
    def __init__(self) -> None:
        self._turns: list[FinishedTurn] = []
        self._characters = 0

    def add(self, turn: FinishedTurn) -> None:
        if self._characters < MAX_CHARACTERS:
            self._characters += turn.characters
            self._turns.append(turn)

    def take(self) -> list[FinishedTurn]:
        """Return all that there are, and forget them."""
        turns, self._turns, self._characters = self._turns, [], 0
        return turns
