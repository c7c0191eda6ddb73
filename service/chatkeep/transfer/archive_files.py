"""The files beside the conversations of a ZIP, found by what the conversations call them.

This service's own are `files/<id>.<type>`. ChatGPT's begin with their id, in whichever folder: `file-<id>-<name>`,
`dalle-generations/file-<id>-<id>.webp`, `user-<id>/file_<id>-<id>.png`.

Threat: a small ZIP whose entries are one bomb many times. What all of them together unpack to is bounded.
"""

import re
import zipfile
from typing import IO, BinaryIO

from chatkeep.transfer.archive import MAX_RATIO, SMALL_UNPACKED_BYTES, is_zip
from chatkeep.transfer.unpacked_files import DAMAGED, PACKINGS

READ_BYTES = 256 * 1024
_OWN = re.compile(r"(?:.*/)?files/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z]{1,8})?")
_CHATGPT = re.compile(r"(?:.*/)?(file[-_][A-Za-z0-9]+)(?:[-._].*)?", re.DOTALL)
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
    """The files of one import.

    Args:
        file: the whole import, before any of it is read; it has files only where it is a ZIP.
        max_bytes: of one of them.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._is_zip = is_zip(file)
        self._left = SMALL_UNPACKED_BYTES + max_bytes + MAX_RATIO * file.seek(0, 2)
        file.seek(0)
        self._archive: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}

    def unpack(self, source: str, to: BinaryIO) -> str:
        """Write a file down and return its name; what the ZIP says of its size is not believed.

        Raises:
            CannotUnpack: says why.
        """
        archive = self._opened()
        entry = self._entries.get(source)
        if archive is None or entry is None:
            raise CannotUnpack(MISSING)
        if entry.compress_type not in PACKINGS:
            raise CannotUnpack(IS_DAMAGED)
        try:
            with archive.open(entry) as packed:
                self._copy(packed, to)
        except DAMAGED:
            raise CannotUnpack(IS_DAMAGED) from None
        return _ID.sub("", entry.filename, count=1) if _OWN.fullmatch(entry.filename) is None else entry.filename

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

    def _opened(self) -> zipfile.ZipFile | None:
        if self._archive is None and self._is_zip:
            self._archive = zipfile.ZipFile(self._file)
            for entry in self._archive.infolist():
                found = _OWN.fullmatch(entry.filename) or _CHATGPT.fullmatch(entry.filename)
                if found:
                    self._entries.setdefault(found[1], entry)
        return self._archive
