"""A ZIP that is written while it is read: nothing of what is in it is ever in memory as a whole."""

import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import anyio.to_thread

# More would take several times as long for a tenth of the size.
COMPRESSION_LEVEL = 1


class _Sink:
    """Takes what the ZIP writes until it is sent. Nobody can go back in it, so each size stands behind its file."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def __bool__(self) -> bool:
        return any(self._parts)

    def flush(self) -> None:
        """Nothing is held back here."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ZipStream:
    """Files that follow each other in one ZIP."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w")  # type: ignore[call-overload]  # anything to write to

    async def entry(
        self, name: str, chunks: AsyncGenerator[bytes, None], *, packed: bool = True
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the ZIP with one more file in it.

        Args:
            packed: False for pictures and the like, which are packed already.
        """
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        entry._compresslevel = COMPRESSION_LEVEL  # type: ignore[attr-defined]  # noqa: SLF001  what `writestr` sets, too
        with self._archive.open(entry, "w", force_zip64=True) as opened:
            async with aclosing(chunks):
                async for chunk in chunks:
                    # Packing takes its time, in which replies are to go on.
                    await anyio.to_thread.run_sync(opened.write, chunk)
                    del chunk
                    if self._sink:
                        yield self._sink.taken()

    async def end(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes that end the ZIP."""
        self._archive.close()
        yield self._sink.taken()


async def in_one(contents: bytes) -> AsyncGenerator[bytes, None]:
    """Yield contents that are there already."""
    yield contents


async def in_turn(parts: AsyncGenerator[AsyncGenerator[bytes, None], None]) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of one generator after the other, and hold none of them while its reader takes its time."""
    async with aclosing(parts):
        async for part in parts:
            async with aclosing(part):
                with suppress(StopAsyncIteration):
                    while True:
                        yield await anext(part)
