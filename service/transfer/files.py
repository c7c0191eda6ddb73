"""What a file holds, by its first bytes: values of JSON, or a ZIP of such files."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from service.errors import UnknownImportFormat
from service.transfer.conversations import Unreadable
from service.transfer.json_values import JsonValues, Value

# In a ChatGPT export: one file, or numbered ones since it became too large.
CONVERSATIONS = re.compile(r"conversations(-\d{1,6})?\.json")
LARGEST_DIRECTORY_BYTES = 16 * 1024**2
_END_BYTES = 22
_TAIL_BYTES = _END_BYTES + 2**16 + 76

# Where in a file a value is, and the value.
Found = tuple[str, Value | Unreadable]


def values_in(file: BinaryIO, *, most_bytes: int) -> Iterator[Found]:
    """Yield every value of the file, each with its place.

    Args:
        most_bytes: how much a ZIP may unpack to.

    Raises:
        UnknownImportFormat: a ZIP without conversations, or one that cannot be read.
    """
    beginning = file.read(4)
    file.seek(0)
    if beginning in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from _values_in_zip(file, most_bytes)
    else:
        yield from _numbered("", JsonValues(file))


def _numbered(name: str, values: JsonValues) -> Iterator[Found]:
    for number, value in enumerate(values, start=1):
        yield f"{name}#{number}", value


def _values_in_zip(file: BinaryIO, most_bytes: int) -> Iterator[Found]:
    _require_small_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise UnknownImportFormat("This ZIP cannot be read: it is damaged, or not whole.") from None
    with archive:
        # Entries are read where they are; their names decide which, and are never a path here.
        names = [(entry.filename.rpartition("/")[2], entry) for entry in archive.infolist()]
        chosen = [(name, entry) for name, entry in names if CONVERSATIONS.fullmatch(name)]
        if not chosen:
            raise UnknownImportFormat("This ZIP holds no conversations.json. Choose the file that ChatGPT sent.")
        left = most_bytes
        for name, entry in sorted(chosen, key=lambda each: each[0]):
            unpacked = _Unpacked(archive, entry, left)
            try:
                yield from _numbered(name, JsonValues(unpacked))
            except _TooLarge:
                yield name, Unreadable(f"The ZIP unpacks to more than {most_bytes} bytes; the rest was not read.")
                return
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError):
                yield name, Unreadable("This part of the ZIP is damaged, encrypted or packed in an unknown way.")
            left = unpacked.left


class _TooLarge(Exception):
    """More comes out than may (a ZIP bomb)."""


class _Unpacked:
    """One file of the archive, read to a limit; what the archive says of its size is not believed."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> None:
        self._archive, self._entry = archive, entry
        self._opened: zipfile.ZipExtFile | None = None
        self.left = left

    def read(self, size: int, /) -> bytes:
        if self._opened is None:
            self._opened = self._archive.open(self._entry)  # type: ignore[assignment]  # opened to read
        data: bytes = self._opened.read(size)  # type: ignore[union-attr]
        self.left -= len(data)
        if self.left < 0:
            raise _TooLarge
        return data


def _require_small_directory(file: BinaryIO) -> None:
    """Refuse a list of files that would fill the memory before the first of them is read.

    Source: PKWARE APPNOTE 4.3.14 and 4.3.16, end of central directory record, and its ZIP64 form.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_BYTES:
        raise UnknownImportFormat("This ZIP cannot be read: it is damaged, or not whole.")
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    large = tail.rfind(b"PK\x06\x06")
    if large >= 0 and len(tail) >= large + 48:
        directory = max(*struct.unpack_from("<Q", tail, large + 40), 0 if directory == 2**32 - 1 else directory)
    if directory > LARGEST_DIRECTORY_BYTES:
        raise UnknownImportFormat("This ZIP holds too many files.")
