"""Files of an import by their first bytes: values of JSON, packed or not, or a ZIP of such files."""

import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.archive_feedback import feedback_in, give_feedback
from chatkeep.transfer.archived_names import file_id_in
from chatkeep.transfer.formats.other_programs import refuse_known_kinds
from chatkeep.transfer.imported import UnknownFormat, Unreadable
from chatkeep.transfer.json_stream import JsonValues, Readable, Value
from chatkeep.transfer.message_lines import Found, joined
from chatkeep.transfer.unpacked_files import DAMAGED, Gunzipped, TooLarge, Unpacked, Unpacking

# In an export of ChatGPT or Claude.ai: one file, or numbered ones since it became too large.
# And in one of this service: the history alone.
CONVERSATIONS = re.compile(r"conversations([-_]\d{1,6})?\.json|history\.jsonl|MyActivity\.json|prod-grok-backend\.json")
JSON = re.compile(r"(?!\._).+\.(?:json|jsonl|ndjson)", re.IGNORECASE)
# Beside the conversations in the exports of programs that this service knows.
OTHER_FILES = {
    *("user.json", "users.json", "projects.json", "memories.json", "message_feedback.json", "user_settings.json"),
    *("shared_conversations.json", "export_manifest.json", "settings.json", "model_comparisons.json", "thread.json"),
}
# Of chats, a ZIP makes a tenth; one that unpacks to far more was made to cost more than it was to send.
MAX_RATIO = 32
# Of one export. An empty one costs more to open than to send.
MAX_PARTS = 1_000
# A ZIP in a ZIP is what OpenAI's privacy portal sends.
MAX_DEPTH = 1
SMALL_UNPACKED_BYTES = 512 * 1024
COPIED_BYTES = 256 * 1024
BEGINNING_BYTES = 512
GZIP = b"\x1f\x8b"
MAX_DIRECTORY_BYTES = 16 * 1024**2
_END_BYTES = 22
_TAIL_BYTES = _END_BYTES + 2**16 + 76


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that is imported, and what it is called; empty where nobody knows."""

    file: BinaryIO
    name: str = ""


def values_in(file: BinaryIO, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> Iterator[Found]:
    """Yield every value of the file, each with its place; messages that stand alone are put together.

    Args:
        max_bytes: how much a ZIP or a packed file may unpack to; one that is small may unpack to less.
        check: called before each piece is read and after each value; an error that it raises ends the reading.

    Raises:
        UnknownImportFormat: an empty file, a ZIP without conversations, or one that cannot be read.
    """
    size = _size_of(file)
    if size == 0:
        raise UnknownImportFormat("The file is empty.")
    limit = Unpacking(min(max_bytes, SMALL_UNPACKED_BYTES + MAX_RATIO * size))
    if is_zip(file):
        yield from _values_in_zip(file, limit, check, "")
    elif _begins_with(file, GZIP):
        yield from _values_of_part("", Gunzipped(file, limit), limit, check)
    else:
        refuse_known_kinds(_beginning_of(file))
        yield from _numbered("", file, check)


def is_zip(file: BinaryIO) -> bool:
    """Tell whether a file is a ZIP, and go back to its beginning: not for one that is being read."""
    return _begins_with(file, b"PK\x03\x04") or _begins_with(file, b"PK\x05\x06")


def _begins_with(file: BinaryIO, beginning: bytes) -> bool:
    return _beginning_of(file).startswith(beginning)


def _beginning_of(file: BinaryIO) -> bytes:
    file.seek(0)
    beginning = file.read(BEGINNING_BYTES)
    file.seek(0)
    return beginning


def _numbered(
    name: str, file: Readable, check: Callable[[], None], feedback: Mapping[tuple[str, str], Any] | None = None
) -> Iterator[Found]:
    def numbered() -> Iterator[Found]:
        number = 0
        for value in JsonValues(_Checked(file, check)):
            check()
            number += 1  # noqa: SIM113  `enumerate` holds the last value until it is asked for the next
            if feedback and isinstance(value, Value):
                give_feedback(value.parsed, feedback)
            held = [value]
            del value
            yield f"{name}#{number}", held.pop()  # and hold nothing of it while its rows are kept

    yield from joined(numbered())


class _Checked:
    """A file that is not read on once nobody wants it."""

    def __init__(self, file: Readable, check: Callable[[], None]) -> None:
        self._file, self._check = file, check

    def read(self, size: int, /) -> bytes:
        self._check()
        return self._file.read(size)


def _values_in_zip(
    file: BinaryIO, limit: Unpacking, check: Callable[[], None], within: str, depth: int = 0
) -> Iterator[Found]:
    require_small_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise UnknownImportFormat("This ZIP cannot be read: it is damaged, or not whole.") from None
    with archive:
        chosen = _chosen(archive, nested=depth < MAX_DEPTH)
        feedback = feedback_in(archive)
        for name, entry in chosen:
            check()
            unpacked = Unpacked(archive, entry, limit)
            if name.endswith(".zip"):
                yield from _values_in_inner(f"{within}{name}", unpacked, limit, check, depth)
            else:
                yield from _values_of_part(f"{within}{name}", unpacked, limit, check, feedback)
            if limit.is_reached:
                return


def _chosen(archive: zipfile.ZipFile, *, nested: bool) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the entries with conversations, by their names: those that every program uses, or all that are JSON.

    Raises:
        UnknownImportFormat: there are none, or too many.
    """
    # Entries are read where they are; their names decide which, and are never a path here.
    names = [(entry.filename.rpartition("/")[2], entry) for entry in archive.infolist()]
    chosen = [(name, entry) for name, entry in names if CONVERSATIONS.fullmatch(name)]
    if not nested and not chosen and any(file_id_in(entry.filename) for _, entry in names):
        return []  # the pictures of conversations that are beside this ZIP
    inner = [(name, entry) for name, entry in names if nested and name.lower().endswith(".zip")]
    if not chosen:
        chosen = [(name, entry) for name, entry in names if JSON.fullmatch(name) and name not in OTHER_FILES]
    if not chosen and not inner:
        raise UnknownImportFormat("This ZIP holds no conversations.json, nor any other file of conversations as JSON.")
    if len(chosen) + len(inner) > MAX_PARTS:
        raise UnknownImportFormat(f"This ZIP holds more than {MAX_PARTS:,} files of conversations.")
    return sorted([*chosen, *inner], key=lambda each: each[0])


def _values_of_part(
    name: str,
    file: Readable,
    limit: Unpacking,
    check: Callable[[], None],
    feedback: Mapping[tuple[str, str], Any] | None = None,
) -> Iterator[Found]:
    """Yield the values of a packed file; where that cannot be read, say so."""
    try:
        yield from _numbered(name, file, check, feedback)
    except TooLarge:
        yield name or "#", Unreadable(f"It unpacks to more than {limit.max_bytes} bytes; the rest was not read.")
    except DAMAGED:
        yield name or "#", Unreadable("This part of the ZIP is damaged, encrypted or packed in an unknown way.")


def _values_in_inner(
    name: str, unpacked: Unpacked, limit: Unpacking, check: Callable[[], None], depth: int
) -> Iterator[Found]:
    """Yield the values of a ZIP in a ZIP, unpacked onto disk for the time being; one without conversations has none."""
    with TemporaryFile(prefix="chatkeep-import-") as inner:
        try:
            while piece := unpacked.read(COPIED_BYTES):
                check()
                inner.write(piece)
            yield from _values_in_zip(cast("BinaryIO", inner), limit, check, f"{name}/", depth + 1)
        except UnknownImportFormat as error:
            yield name, UnknownFormat(error.detail)
        except TooLarge:
            yield name, Unreadable(f"It unpacks to more than {limit.max_bytes} bytes; the rest was not read.")
        except DAMAGED:
            yield name, Unreadable("This part of the ZIP is damaged, encrypted or packed in an unknown way.")


def _size_of(file: BinaryIO) -> int:
    at = file.tell()
    size = file.seek(0, 2)
    file.seek(at)
    return size


def require_small_directory(file: BinaryIO) -> None:
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
