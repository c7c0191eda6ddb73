"""The file `.env`: its lines that say nothing are refused, which the library passes over in silence."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from chatkeep.errors import ConfigurationError

# A quote that was left open takes the lines that follow for its own, up to the next quote.
_SWALLOWED = re.compile(r"^\s*(?:export\s+)?CHATKEEP_\w+\s*=", re.IGNORECASE | re.MULTILINE)


def require_clear(files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None) -> None:
    """Refuse a line that is no setting. With a slip in its own line, a safety would fall back to its default unseen.

    Raises:
        ConfigurationError: names the lines by their numbers: a line may hold a secret.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    for each in [files] if isinstance(files, str | os.PathLike) else files or ():
        file = Path(each).expanduser()
        # A pipe can be read once, and that is for the settings.
        if file.is_file() and (numbers := list(_unclear_lines(file))):
            shown = f"Line {numbers[0]}" if len(numbers) == 1 else f"Lines {', '.join(map(str, numbers[:10]))}"
            raise ConfigurationError(
                f"{shown} of {file.absolute()} cannot be read: write NAME=value or NAME='a value', with both quotes, "
                "and a # before a comment."
            )


def _unclear_lines(file: Path) -> Iterator[int]:
    with file.open(encoding="utf-8") as text:
        for binding in parse_stream(text):
            if _is_unclear(binding):
                yield binding.original.line + _blank_lines_before(binding.original.string)


def _is_unclear(binding: Binding) -> bool:
    if binding.error or (binding.key is not None and binding.value is None):
        return True
    return _SWALLOWED.search(binding.value or "") is not None


def _blank_lines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")
