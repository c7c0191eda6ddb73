"""The files beside the conversations of a ZIP, found by what the conversations call them.

They may be in a ZIP in the ZIP, as its conversations may: that is unpacked onto the disk once, and only where a
conversation names a file.

Threat: a small ZIP whose entries are one bomb many times. What all of them together unpack to is bounded.
"""

import re
import zipfile
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.archive import MAX_PARTS, MAX_RATIO, SMALL_UNPACKED_BYTES, is_zip, require_small_directory
from chatkeep.transfer.archived_names import file_id_in, is_own_name
from chatkeep.transfer.unpacked_files import DAMAGED, PACKINGS, TooLarge

READ_BYTES = 256 * 1024
# Between the id and the name that its sender gave the file.
_ID = re.compile(r"(?:.*/)?file[-_][A-Za-z0-9]+-?", re.DOTALL)

MISSING = "It is not in the file that was imported."
IS_DAMAGED = "It is damaged, encrypted or packed in an unknown way."
TOO_LARGE = "It is larger than a file may be here."
TOO_MUCH = "The files of this ZIP unpack to too much; the rest was not read."


class CannotUnpack(Exception):
    """A file that cannot be read.

    Args:
        reason: a sentence for a person.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ArchiveFiles:
    """The files of one import. To be closed: what was unpacked is on the disk.

    Args:
        file: the whole import, before any of it is read; it has files only where it is a ZIP.
        max_bytes: of one of them.
        max_unpacked_bytes: of the ZIPs in it, all together.
    """

    def __init__(self, file: BinaryIO, max_bytes: int, max_unpacked_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._is_zip = is_zip(file)
        size = file.seek(0, 2)
        self._left = SMALL_UNPACKED_BYTES + max_bytes + MAX_RATIO * size
        self._inner_left = min(max_unpacked_bytes, SMALL_UNPACKED_BYTES + MAX_RATIO * size)
        file.seek(0)
        self._is_open = False
        self._entries: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        self._unpacked = ExitStack()

    def close(self) -> None:
        self._unpacked.close()

    def unpack(self, source: str, to: BinaryIO) -> str:
        """Write a file down and return its name; what the ZIP says of its size is not believed.

        Raises:
            CannotUnpack: says why.
        """
        self._open()
        if source not in self._entries:
            raise CannotUnpack(MISSING)
        archive, entry = self._entries[source]
        if entry.compress_type not in PACKINGS:
            raise CannotUnpack(IS_DAMAGED)
        try:
            with archive.open(entry) as packed:
                self._copy(packed, to)
        except DAMAGED:
            raise CannotUnpack(IS_DAMAGED) from None
        return entry.filename if is_own_name(entry.filename) else _ID.sub("", entry.filename, count=1)

    def _copy(self, packed: IO[bytes], to: BinaryIO) -> None:
        size = 0
        while piece := packed.read(READ_BYTES):
            size += len(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise CannotUnpack(TOO_MUCH)
            if size > self._max_bytes:
                raise CannotUnpack(TOO_LARGE)
            to.write(piece)

    def _open(self) -> None:
        if self._is_open or not self._is_zip:
            return
        self._is_open = True
        # Not closed: the import goes on reading its file.
        archive = zipfile.ZipFile(self._file)
        self._list(archive)
        inner = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".zip")]
        for entry in inner[:MAX_PARTS]:
            # One that cannot be read has no files: that it has no conversations was said already.
            with suppress(UnknownImportFormat, TooLarge, *DAMAGED):
                self._list(self._inner(archive, entry))

    def _list(self, archive: zipfile.ZipFile) -> None:
        for entry in archive.infolist():
            if (file_id := file_id_in(entry.filename)) is not None:
                self._entries.setdefault(file_id, (archive, entry))

    def _inner(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> zipfile.ZipFile:
        """Return a ZIP of the ZIP, unpacked onto the disk."""
        if entry.compress_type not in PACKINGS:
            raise NotImplementedError
        with ExitStack() as kept:
            file = cast("BinaryIO", kept.enter_context(TemporaryFile(prefix="chatkeep-import-")))
            with archive.open(entry) as packed:
                while piece := packed.read(READ_BYTES):
                    self._inner_left -= len(piece)
                    if self._inner_left < 0:
                        raise TooLarge
                    file.write(piece)
            require_small_directory(file)
            opened = kept.enter_context(zipfile.ZipFile(file))
            self._unpacked.enter_context(kept.pop_all())
        return opened
