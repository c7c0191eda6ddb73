"""Files in PostgreSQL: taken in whole, read a piece at a time, deleted when nothing refers to them.

What is there if the process dies:

- while a file comes in: nothing. Until all of it is there it is on this machine's disk without a name, and the system
  takes it away however the process ends;
- before the transaction of `add` commits: nothing of the file, none of its pieces, and the quota as before;
- after it: the whole file, whether or not its sender was told. Nothing refers to it, so it is looked at a day later
  and deleted; sending it again before that finds it;
- between a file and the turn that is to refer to it: the same. A turn and its references are one statement;
- after a conversation was deleted, with which its references went: its files are due, and any process deletes them;
- while due files are looked at: each is a transaction of its own, and the others stay due.

Every write of a user's files locks the user's row first: two that come at once cannot both be the last that fits in the
quota, a guest's files do not come while they are moved, and nothing is deleted under a legal hold.
"""

from collections.abc import AsyncGenerator, Collection
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.queries import lock_user
from chatkeep.accounts.users import require_no_hold
from chatkeep.chat.files import queries
from chatkeep.chat.files.media_types import NO_PICTURE, Examined, examine
from chatkeep.chat.files.queries import FileRecord
from chatkeep.clock import Clock
from chatkeep.database.database import Database
from chatkeep.errors import (
    FileInUse,
    FileQuotaReached,
    FileTooLarge,
    FileTypeNotAllowed,
    NotAuthenticated,
    NotFound,
)
from chatkeep.ids import new_id

PIECE_BYTES = 256 * 1024
# How long a file waits for a turn that refers to it.
UNUSED_FILE_LIFETIME = timedelta(days=1)
# When files of somebody under legal hold are looked at again.
HELD_FILE_INTERVAL = timedelta(days=1)
SWEPT_AT_ONCE = 100
MAX_NAME_CHARACTERS = 200
UNNAMED = "file"


class FileStore:
    """The files of prompts.

    Args:
        max_bytes: of a file.
        quota_bytes: of all files of one user; small ones count as `queries.MIN_CHARGED_BYTES`.
    """

    def __init__(self, database: Database, clock: Clock, *, max_bytes: int, quota_bytes: int) -> None:
        self.database = database
        self.max_bytes = max_bytes
        self._clock = clock
        self._quota_bytes = quota_bytes

    async def add(self, user_id: UUID, file: BinaryIO, name: str, *, only: Collection[str] | None = None) -> FileRecord:
        """Keep a file, or find the one of the same bytes that the user has, which takes the new name.

        Args:
            name: what its sender calls it; only its last part is kept. Empty where it has none.
            only: the media types that it may be; None takes all that are allowed.

        Raises:
            FileTypeNotAllowed: it is empty, or neither a picture, a PDF nor a text.
            FileTooLarge: it has more than `max_bytes`.
            FileQuotaReached: nothing was kept.
            NotAuthenticated: the account was deleted in the meantime.
        """
        examined = await anyio.to_thread.run_sync(examine, file)
        if only is not None and examined.media_type not in only:
            raise FileTypeNotAllowed(NO_PICTURE)
        if examined.size > self.max_bytes:
            raise too_large(self.max_bytes)
        async with self.database.transaction() as connection:
            return await self.add_in(connection, user_id, file, examined, name)

    async def add_in(
        self, connection: AsyncConnection, user_id: UUID, file: BinaryIO, examined: Examined, name: str
    ) -> FileRecord:
        """Keep a file that has been examined, in a transaction. Raises: as `add`."""
        if await lock_user(connection, user_id) is None:
            raise NotAuthenticated("This account has just been deleted.")
        now = self._clock()
        check_at = now + UNUSED_FILE_LIFETIME
        known = await queries.take_again(
            connection, user_id, examined.sha256, check_at, shown_name(name) if name else None
        )
        if known is not None:
            return known
        await self._take_room(connection, user_id, examined.size)
        row = await queries.insert_file(
            connection,
            {
                "user_id": user_id,
                "id": new_id(),
                "name": shown_name(name),
                "media_type": examined.media_type,
                "size": examined.size,
                "sha256": examined.sha256,
                "tokens": examined.tokens,
                "created_at": now,
                "check_at": check_at,
            },
        )
        number = 0
        while piece := await anyio.to_thread.run_sync(file.read, PIECE_BYTES):
            await queries.insert_piece(connection, user_id, row.id, number, piece)
            number += 1
        return row

    async def _take_room(self, connection: AsyncConnection, user_id: UUID, size: int) -> None:
        taken = await queries.usage_of(connection, user_id) + queries.charged(size)
        if taken > self._quota_bytes:
            raise FileQuotaReached(
                f"Your files may take {megabytes(self._quota_bytes)} in all, and this one does not fit. Delete "
                "conversations with files that you do not need, or files that none of them has."
            )
        await queries.add_usage(connection, user_id, queries.charged(size))

    async def require(self, user_id: UUID, file_id: UUID) -> FileRecord:
        """Return a file's row.

        Raises:
            NotFound: there is no such file, or it is somebody else's.
        """
        row = await self.database.row(queries.FILE, user_id=user_id, file_id=file_id)
        if row is None:
            raise NotFound
        return row

    async def pieces(self, user_id: UUID, file_id: UUID) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes, each piece read by itself: no connection is held while a client reads."""
        number = 0
        while True:
            piece = await self.database.row(queries.PIECE, user_id=user_id, file_id=file_id, number=number)
            if piece is None:
                return
            yield piece
            number += 1

    async def delete(self, user_id: UUID, file_id: UUID) -> None:
        """Delete a file that no turn refers to.

        Raises:
            NotFound: there is no such file, or it is somebody else's.
            FileInUse: a turn refers to it.
            LegalHold: the user is under hold.
        """
        async with self.database.transaction() as connection:
            await require_no_hold(connection, user_id)
            row = await queries.lock_file(connection, user_id, file_id)
            if row is None:
                raise NotFound
            if not await self._delete(connection, row):
                raise FileInUse("A turn has this file. Delete the conversation, and the file goes with it.")

    async def _delete(self, connection: AsyncConnection, row: FileRecord) -> bool:
        deleted = await queries.delete_unreferenced(connection, row.user_id, row.id)
        if deleted:
            await queries.add_usage(connection, row.user_id, -queries.charged(row.size))
        return deleted

    async def sweep(self) -> int:
        """Delete the files that are due and that nothing refers to; return how many."""
        swept = 0
        while True:
            async with self.database.transaction() as connection:
                due = await queries.due_files(connection, self._clock(), limit=SWEPT_AT_ONCE)
            for each in due:
                async with self.database.transaction() as connection:
                    swept += await self._sweep(connection, each.user_id, each.id)
            if len(due) < SWEPT_AT_ONCE:
                return swept

    async def _sweep(self, connection: AsyncConnection, user_id: UUID, file_id: UUID) -> bool:
        user = await lock_user(connection, user_id)
        row = await queries.lock_file(connection, user_id, file_id)
        now = self._clock()
        if user is None or row is None or row.check_at is None or row.check_at > now:
            return False  # another process was here, or it was sent again
        if user.legal_hold:
            await queries.check_again(connection, user_id, file_id, now + HELD_FILE_INTERVAL)
            return False
        if await self._delete(connection, row):
            return True
        await queries.check_again(connection, user_id, file_id, None)
        return False


def too_large(max_bytes: int) -> FileTooLarge:
    return FileTooLarge(f"The file is larger than {megabytes(max_bytes)}, which is all that one may have here.")


def megabytes(size: int) -> str:
    """Return a size as people read it."""
    return f"{size / 1024**2:.4g} MB" if size >= 1024**2 else f"{size / 1024:.4g} KB"


def shown_name(name: str) -> str:
    """Return a file's name without the folders that it was in, and without what cannot be seen or kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in last if each.isprintable() and not "\ud800" <= each <= "\udfff")
    return shown.strip()[:MAX_NAME_CHARACTERS] or UNNAMED
