"""Files of an import by their first bytes: values of JSON, or a ZIP of such files."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.imported import Unreadable
from chatkeep.transfer.json_stream import JsonValues, Readable, Value

# In a ChatGPT export: one file, or numbered ones since it became too large.
# And in one of this service: the history alone.
CONVERSATIONS = re.compile(r"conversations(-\d{1,6})?\.json|history\.jsonl")
# Of what is said in chats, a ZIP makes a tenth; one that unpacks to far more was made to cost more than it was to send.
MAX_RATIO = 32
# Of one export. An empty one costs more to open than to send.
MAX_PARTS = 1_000
SMALL_UNPACKED_BYTES = 512 * 1024
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Errors of reading an entry that is damaged, encrypted or packed in an unknown way.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
MAX_DIRECTORY_BYTES = 16 * 1024**2
_END_BYTES = 22
_TAIL_BYTES = _END_BYTES + 2**16 + 76

# Where in a file a value is, and the value.
Found = tuple[str, Value | Unreadable]


def values_in(file: BinaryIO, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> Iterator[Found]:
    """Yield every value of the file, each with its place.

    Args:
        max_bytes: how much a ZIP may unpack to; one that is small may unpack to less.
        check: called before each piece is read and after each value; an error that it raises ends the reading.

    Raises:
        UnknownImportFormat: a ZIP without conversations, or one that cannot be read.
    """
    if is_zip(file):
        yield from _values_in_zip(file, max_bytes, check)
    else:
        yield from _numbered("", file, check)


def is_zip(file: BinaryIO) -> bool:
    """Tell whether a file is a ZIP, and go back to its beginning: not for one that is being read."""
    file.seek(0)
    beginning = file.read(4)
    file.seek(0)
    return beginning in (b"PK\x03\x04", b"PK\x05\x06")


def _numbered(name: str, file: Readable, check: Callable[[], None]) -> Iterator[Found]:
    number = 0
    for value in JsonValues(_Checked(file, check)):
        check()
        number += 1  # noqa: SIM113  `enumerate` holds the last value until it is asked for the next
        held = [value]
        del value
        yield f"{name}#{number}", held.pop()  # and hold nothing of it while its rows are kept


class _Checked:
    """A file that is not read on once nobody wants it."""

    def __init__(self, file: Readable, check: Callable[[], None]) -> None:
        self._file, self._check = file, check

    def read(self, size: int, /) -> bytes:
        self._check()
        return self._file.read(size)


def _values_in_zip(file: BinaryIO, max_bytes: int, check: Callable[[], None]) -> Iterator[Found]:
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
        if len(chosen) > MAX_PARTS:
            raise UnknownImportFormat(f"This ZIP holds more than {MAX_PARTS:,} files of conversations.")
        left = min(max_bytes, SMALL_UNPACKED_BYTES + MAX_RATIO * _size_of(file))
        max_bytes = left
        for name, entry in sorted(chosen, key=lambda each: each[0]):
            check()
            unpacked = _Unpacked(archive, entry, left)
            try:
                yield from _numbered(name, unpacked, check)
            except _TooLarge:
                yield name, Unreadable(f"The ZIP unpacks to more than {max_bytes} bytes; the rest was not read.")
                return
            except DAMAGED:
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
            # The other ways to pack unpack a few kilobytes to tens of megabytes in one step.
            if self._entry.compress_type not in PACKINGS:
                raise NotImplementedError
            self._opened = self._archive.open(self._entry)  # type: ignore[assignment]  # opened to read
        data: bytes = self._opened.read(size)  # type: ignore[union-attr]
        self.left -= len(data)
        if self.left < 0:
            raise _TooLarge
        return data


def _size_of(file: BinaryIO) -> int:
    at = file.tell()
    size = file.seek(0, 2)
    file.seek(at)
    return size


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
    if directory > MAX_DIRECTORY_BYTES:
        raise UnknownImportFormat("This ZIP holds too many files.")
