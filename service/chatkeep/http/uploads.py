"""A file on its way in: on disk until it is dealt with, and gone afterwards.

Threats: an account that sends slowly, or much, so that nobody else can; and a file whose sender has left.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from uuid import UUID

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from chatkeep.errors import TooMany, Unavailable, UploadTooSlow

MAX_UPLOADS_OF_ONE_USER = 4
WRITTEN_AT_ONCE = 1024 * 1024
# Of a form, parsed at once: a hundredth of a second of whatever was made to take long.
MAX_PIECE_BYTES = 16 * 1024
MAX_PAUSE_SECONDS = 30
# Slower than any line that people have: after this time so much must have come for each second of it.
PATIENCE_SECONDS = 60
MIN_BYTES_PER_SECOND = 4 * 1024
RETRY_AFTER_SECONDS = 30
TOO_MANY = "You are sending as many files as one account may at once. Wait until one has ended."


@dataclass(frozen=True, slots=True)
class Received:
    """The file of a request.

    Args:
        file: at its beginning; None where it is a form without a file.
        name: what its sender calls it; empty where it is the whole body.
    """

    file: BinaryIO | None
    name: str = ""


class Uploads:
    """How much may be on its way in: so many files of one user, and so much of all of them.

    Args:
        room_bytes: of all files on disk together; where that is reached, users who have more than their part of it are
            refused.
        refusal: makes the error for who has `MAX_UPLOADS_OF_ONE_USER` files here.
        busy: what is said where all the room is taken.
        clock: seconds, for the pace of uploads.
    """

    def __init__(
        self,
        *,
        room_bytes: int,
        refusal: Callable[[], TooMany],
        busy: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room_bytes = room_bytes
        self._refusal = refusal
        self._busy = busy
        self._clock = clock
        self._uploads: Counter[UUID] = Counter()
        self._bytes: Counter[UUID] = Counter()

    @asynccontextmanager
    async def received_from(self, request: Request, user_id: UUID) -> AsyncIterator[Received]:
        """Yield the file of a request: in its form, or as its body.

        Nobody else can open the file: it has no name, and the system takes it away however the process ends.

        Raises:
            TooMany: the user has `MAX_UPLOADS_OF_ONE_USER` files here.
            UploadTooSlow: nothing came for `MAX_PAUSE_SECONDS`, or too little on the whole.
            Unavailable: all the room for files is taken, and more than a fair part of it by this user.
        """
        async with self.all_received_from(request, user_id, max_files=1) as received:
            yield received[0]

    @asynccontextmanager
    async def all_received_from(
        self, request: Request, user_id: UUID, *, max_files: int
    ) -> AsyncIterator[list[Received]]:
        """Yield the files of a request: those in its form, or its body. Raises: as `received_from`.

        A form without a file is one `Received` without one.
        """
        with self._counted(user_id) as count:
            paced = _paced(request.receive, count, self._clock)
            async with _files_of(Request(request.scope, paced), max_files) as received:
                yield received

    @contextlib.contextmanager
    def _counted(self, user_id: UUID) -> Iterator[Callable[[int], None]]:
        if self._uploads[user_id] >= MAX_UPLOADS_OF_ONE_USER:
            raise self._refusal()
        mine = 0

        def count(size: int) -> None:
            nonlocal mine
            mine += size
            self._bytes[user_id] += size
            self._require_room(user_id)

        self._uploads[user_id] += 1
        try:
            yield count
        finally:
            self._uploads[user_id] -= 1
            self._bytes[user_id] -= mine
            if not self._uploads[user_id]:
                del self._uploads[user_id], self._bytes[user_id]

    def _require_room(self, user_id: UUID) -> None:
        room = self._room_bytes
        if self._bytes.total() > room and self._bytes[user_id] > room / len(self._uploads):
            raise Unavailable(self._busy)


def in_pieces(receive: Receive) -> Receive:
    """Return a `receive` that gives no more than `MAX_PIECE_BYTES` at a time, and lets others come in between.

    A form's parser looks at every byte, in the event loop.
    """
    waiting: list[Message] = []

    async def receive_piece() -> Message:
        if not waiting:
            message = await receive()
            body = message.get("body", b"")
            if len(body) <= MAX_PIECE_BYTES:
                return message
            starts = range(0, len(body), MAX_PIECE_BYTES)
            pieces = [{**message, "body": body[start : start + MAX_PIECE_BYTES], "more_body": True} for start in starts]
            pieces[-1]["more_body"] = message.get("more_body", False)
            waiting.extend(reversed(pieces))
        await asyncio.sleep(0)
        return waiting.pop()

    return receive_piece


def _paced(receive: Receive, count: Callable[[int], None], clock: Callable[[], float]) -> Receive:
    """Return a `receive` that counts what comes, and gives up on who sends too slowly."""
    began = clock()
    received = 0

    async def receive_paced() -> Message:
        nonlocal received
        try:
            async with asyncio.timeout(MAX_PAUSE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise _too_slow() from None
        size = len(message.get("body", b""))
        received += size
        count(size)
        late = clock() - began - PATIENCE_SECONDS
        if message.get("more_body") and late > 0 and received < late * MIN_BYTES_PER_SECOND:
            raise _too_slow()
        return message

    return receive_paced


def _too_slow() -> UploadTooSlow:
    return UploadTooSlow("The file stopped coming, or came too slowly. Send it again over a steadier connection.")


@asynccontextmanager
async def _files_of(request: Request, max_files: int) -> AsyncIterator[list[Received]]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        async with Request(request.scope, in_pieces(request.receive)).form(max_files=max_files, max_fields=10) as form:
            yield _files_in([value for _, value in form.multi_items()])
    else:
        with TemporaryFile(prefix="chatkeep-upload-") as file:
            await _write_down(request, file)
            yield [Received(cast("BinaryIO", file))]


def _files_in(values: list[UploadFile | str]) -> list[Received]:
    files = [Received(value.file, value.filename or "") for value in values if isinstance(value, UploadFile)]
    return files or [Received(None)]


async def _write_down(request: Request, file: "object") -> None:
    opened = cast("BinaryIO", file)
    waiting: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        waiting.append(chunk)
        size += len(chunk)
        if size >= WRITTEN_AT_ONCE:
            await anyio.to_thread.run_sync(opened.write, b"".join(waiting))
            waiting, size = [], 0
    await anyio.to_thread.run_sync(opened.write, b"".join(waiting))
    opened.seek(0)
