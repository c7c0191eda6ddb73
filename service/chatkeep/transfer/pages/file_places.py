"""Places of the files that turns name: within a page, or beside it in a ZIP."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from chatkeep.chat.files import queries
from chatkeep.chat.files.contents import file_id_of, file_ids_in
from chatkeep.chat.files.media_types import RASTER_TYPES
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.items import AnyItem
from chatkeep.chat.schemas import Turn
from chatkeep.database.database import Database

# Stands where a file's bytes go. No text that was kept has it: PostgreSQL keeps no U+0000.
MARK = "\0"


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a file is.

    Args:
        anchor: of its first place on the page.
        is_again: the page has it further up.
    """

    address: str
    is_picture: bool
    anchor: str
    is_again: bool = False


class FilePlaces:
    """The files of the turns that are written at the moment.

    Args:
        address: of a file, as seen from the page.
        once: each is on a page once: a picture that is in each of a thousand turns would be in it a thousand times.
    """

    def __init__(self, address: Callable[[FileRecord], str], *, once: bool = False) -> None:
        self._address = address
        self._once = once
        self._rows: dict[UUID, FileRecord] = {}
        self._shown: set[UUID] = set()

    async def look_up(self, database: Database, user_id: UUID, turns: Iterable[Turn]) -> None:
        """Know the files of some turns, and no others."""
        items = [
            item
            for turn in turns
            for content in (turn.prompt, turn.reply)
            if content is not None
            for item in content.items or ()
        ]
        ids = file_ids_in(items)
        rows = await database.rows(queries.FILES_BY_IDS, user_id=user_id, file_ids=ids) if ids else []
        self._rows = {row.id: row for row in rows}

    def of(self, item: AnyItem) -> FilePlace | None:
        """Return where a file is; None where it is not the user's, or was not kept."""
        row = self._rows.get(file_id_of(item) or UUID(int=0))
        if row is None:
            return None
        is_again = self._once and row.id in self._shown
        self._shown |= {row.id} if self._once else set()
        return FilePlace(self._address(row), row.media_type in RASTER_TYPES, f"file-{row.id}", is_again)


def within_page(row: FileRecord) -> str:
    """Return an address that has the file itself, with a mark where its bytes go."""
    # Anything but a picture is saved: a browser is not to show it as a page.
    media_type = row.media_type if row.media_type in RASTER_TYPES else "application/octet-stream"
    return f"data:{media_type};base64,{MARK}{row.id}{MARK}"
