"""The files of `chatkeep import`: files, folders of files, and the standard input."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.archive import NamedFile

STANDARD_INPUT = "-"
SUFFIXES = (".json", ".jsonl", ".ndjson", ".zip", ".gz")
# Open at once: a process may open a thousand or so.
FILES_PER_GROUP = 100


def opened_in_groups(paths: Sequence[Path]) -> Iterator[list[NamedFile]]:
    """Yield the files, so many at once, open until the next group is asked for.

    Raises:
        UnknownImportFormat: there are none.
    """
    named = [each for path in paths for each in _files_of(path)]
    if not named:
        raise UnknownImportFormat(
            f"There is no file to import: a folder's are those that end in {', '.join(SUFFIXES)}."
        )
    for start in range(0, len(named), FILES_PER_GROUP):
        with ExitStack() as stack:
            yield [
                NamedFile(_opened(path, stack), _name(path, name))
                for path, name in named[start : start + FILES_PER_GROUP]
            ]


def size_of(file: NamedFile) -> int:
    """Return the bytes of a file that nobody reads yet."""
    size = file.file.seek(0, 2)
    file.file.seek(0)
    return size


def _files_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a folder, and of those in it, by their names; a file itself."""
    if not path.is_dir():
        yield path, path.name
        return
    for each in sorted(path.rglob("*")):
        if each.is_file() and each.suffix.lower() in SUFFIXES and not each.name.startswith("."):
            yield each, str(each.relative_to(path))


def _name(path: Path, name: str) -> str:
    return "standard input" if str(path) == STANDARD_INPUT else name


def _opened(path: Path, stack: ExitStack) -> BinaryIO:
    if str(path) != STANDARD_INPUT:
        return stack.enter_context(path.open("rb"))
    # Files are read from any place in them, and so is a ZIP.
    file = cast("BinaryIO", stack.enter_context(TemporaryFile(prefix="chatkeep-import-")))  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, file)
    file.seek(0)
    return file
