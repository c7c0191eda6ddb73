"""A file on its way in: on disk until it is imported, and gone afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import Request

from service.errors import UnknownImportFormat

MOST_AT_ONCE = 4
WRITTEN_AT_ONCE = 1024 * 1024


class Imports:
    """How much may be imported: the files that lie on disk at once are few, and their sizes bounded.

    Args:
        most_bytes: of a file, and of what a ZIP unpacks to.
    """

    def __init__(self, *, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[BinaryIO]:
        """Yield what a request sends: the file in its form, or its body. Others wait, unread, for their turn.

        Nobody else can open the file: it has no name, and the system takes it away however the process ends.

        Raises:
            UnknownImportFormat: a form without a file.
        """
        async with self._places:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
                async with request.form(max_files=1, max_fields=10) as form:
                    yield _file_in(list(form.values()))
            else:
                with TemporaryFile(prefix="chatkeep-import-") as file:
                    await _write_down(request, file)
                    yield file


def _file_in(values: list[UploadFile | str]) -> BinaryIO:
    for value in values:
        if isinstance(value, UploadFile):
            return value.file
    raise UnknownImportFormat("The form holds no file. Send it as a field of its own, or as the body.")


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
