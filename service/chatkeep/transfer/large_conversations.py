"""This service's own conversations that are larger than one value may be: read part by part, a few thousand turns each.

Their export has the turns as its last field, parents before children. The first part begins the conversation, and each
other one continues it, in a transaction of its own; so does the same import once more, after it was broken off.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

# More than a batch takes: a part ends the batch in which it is kept, and the next one finds it there.
CHARACTERS_PER_PART = 3 * 1024 * 1024
# How many lists of that name are tried, which a field before the turns may have.
MAX_TRIES = 10
_BEGINNING = '{"format":"chatkeep/1"'
_TURNS = re.compile(r'"turns":\[')


@dataclass(slots=True)
class LargeConversation:
    """One of them, while it is read.

    Args:
        header: its fields before the turns.
        part: the number of the part that comes next.
    """

    header: dict[str, Any]
    part: int = 1
    turns: list[Any] = field(default_factory=list)
    size: int = 0
    is_suspicious: bool = False

    def is_full(self) -> bool:
        return self.size >= CHARACTERS_PER_PART

    def add(self, turn: Any, size: int, *, is_suspicious: bool) -> None:
        self.turns.append(turn)
        self.size += size
        self.is_suspicious |= is_suspicious

    def next_part(self) -> tuple[dict[str, Any], int, bool]:
        """Return the turns that were added as a conversation, its size and whether it may need to be cleaned."""
        whole = {**self.header, "part": self.part, "turns": self.turns}, self.size, self.is_suspicious
        self.part += 1
        self.turns, self.size = [], 0
        return whole


def begun(text: str, at: int, decoder: json.JSONDecoder) -> tuple[LargeConversation, int] | None:
    """Return the conversation that begins at a place, and the place of its first turn; None where none does."""
    if not text.startswith(_BEGINNING, at):
        return None
    for number, found in enumerate(_TURNS.finditer(text, at)):
        if number >= MAX_TRIES:
            break
        try:
            header = decoder.decode(f"{text[at : found.end()]}]}}")
        except (ValueError, RecursionError):
            continue
        header.pop("turns")
        return LargeConversation(header), found.end()
    return None
