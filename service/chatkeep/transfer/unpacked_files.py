"""Packed files, read to a limit: nothing that an archive says of sizes is believed.

Threat: a small file that unpacks to more than the machine holds, or that costs far more to read than to send.
"""

import zipfile
import zlib
from typing import BinaryIO

PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Errors of reading an entry that is damaged, encrypted or packed in an unknown way.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
GZIP_WINDOW = 31
READ_BYTES = 256 * 1024


class TooLarge(Exception):
    """More comes out than may (a bomb)."""


class Unpacking:
    """How much all parts of one import may unpack to, and how much of it is left.

    Args:
        max_bytes: of all of them together.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._left = max_bytes

    @property
    def is_reached(self) -> bool:
        return self._left < 0

    def count(self, size: int) -> None:
        """Count bytes that came out.

        Raises:
            TooLarge: they are more than may.
        """
        self._left -= size
        if self._left < 0:
            raise TooLarge


class Unpacked:
    """One file of an archive."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: Unpacking) -> None:
        self._archive, self._entry, self._limit = archive, entry, limit
        self._opened: zipfile.ZipExtFile | None = None

    def read(self, size: int, /) -> bytes:
        if self._opened is None:
            # The other ways to pack unpack a few kilobytes to tens of megabytes in one step.
            if self._entry.compress_type not in PACKINGS:
                raise NotImplementedError
            self._opened = self._archive.open(self._entry)  # type: ignore[assignment]  # opened to read
        data: bytes = self._opened.read(size)  # type: ignore[union-attr]
        self._limit.count(len(data))
        return data


class Gunzipped:
    """A file that is packed with gzip, of one part or of several."""

    def __init__(self, file: BinaryIO, limit: Unpacking) -> None:
        self._file, self._limit = file, limit
        self._unpacker = zlib.decompressobj(GZIP_WINDOW)

    def read(self, size: int, /) -> bytes:
        data = b""
        while not data:
            if self._unpacker.eof:
                rest = self._unpacker.unused_data or self._file.read(READ_BYTES)
                if not rest:
                    return b""
                self._unpacker = zlib.decompressobj(GZIP_WINDOW)
            else:
                rest = self._unpacker.unconsumed_tail or self._file.read(READ_BYTES)
                if not rest:
                    raise EOFError
            data = self._unpacker.decompress(rest, size)
        self._limit.count(len(data))
        return data
