"""The result of each conversation of an import."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from chatkeep.transfer.imported_files import LeftOutFile


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of one conversation of the file.

    Args:
        source_id: what it is called where it comes from; its place in the file where that is not known.
        turn_count: how many turns it has now.
        turns_added: of one that was imported before: how many of them are new.
        kept_aside: how many messages and the like are in its metadata.
        files_added: how many files its turns got, where it was imported before without them.
        left_out: the files of its turns that are neither in the file nor the user's, or could not be kept.
        owner: the user of the other program whose it is; None where the file does not say.
    """

    source_id: str
    outcome: Literal["imported", "continued", "skipped", "failed"]
    reason: str | None = None
    conversation_id: UUID | None = None
    title: str | None = None
    turn_count: int = 0
    turns_added: int = 0
    kept_aside: int = 0
    files_added: int = 0
    left_out: tuple[LeftOutFile, ...] = ()
    owner: str | None = None

    @property
    def files_left_out(self) -> int:
        return len(self.left_out)
