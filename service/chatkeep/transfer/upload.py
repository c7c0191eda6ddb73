"""A file that is imported, on its way in. See `chatkeep.http.uploads`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from starlette.requests import Request

from chatkeep.errors import TooManyImports, UnknownImportFormat
from chatkeep.fair_queue import FairQueue
from chatkeep.http.uploads import RETRY_AFTER_SECONDS, TOO_MANY, Uploads
from chatkeep.transfer.archive import NamedFile

MAX_IMPORTS_AT_ONCE = 4
# In one form.
MAX_FILES = 100


class Imports(Uploads):
    """How much may be imported: the sizes of files are bounded, and users take turns.

    A file comes in without a place that another could wait for. Only when all of it is there its user queues for one of
    `MAX_IMPORTS_AT_ONCE` places, for one batch of conversations at a time.

    Args:
        max_bytes: of a file, and of what a ZIP unpacks to. All files on disk together have `MAX_IMPORTS_AT_ONCE` times
            as many.
        clock: seconds, for the pace of uploads.
    """

    def __init__(self, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(
            room_bytes=MAX_IMPORTS_AT_ONCE * max_bytes,
            refusal=lambda: TooManyImports(TOO_MANY, RETRY_AFTER_SECONDS),
            busy="Too many files are being imported right now. Try again in a few minutes.",
            clock=clock,
        )
        self.max_bytes = max_bytes
        self._turns = FairQueue(MAX_IMPORTS_AT_ONCE, max_per_user=1)

    def turn(self, user_id: UUID) -> AbstractAsyncContextManager[None]:
        """Wait for one of the places in which files are read, and hold it until the block ends."""
        return self._turns.place(user_id)

    @asynccontextmanager
    async def received(self, request: Request, user_id: UUID) -> AsyncIterator[list[NamedFile]]:
        """Yield the files of a request: in its form, or the one that is its body. Raises: as `received_from`.

        Raises:
            UnknownImportFormat: a form without a file.
        """
        async with self.all_received_from(request, user_id, max_files=MAX_FILES) as received:
            files = [NamedFile(each.file, each.name) for each in received if each.file is not None]
            if not files:
                raise UnknownImportFormat("The form holds no file. Send it as a field of its own, or as the body.")
            yield files
