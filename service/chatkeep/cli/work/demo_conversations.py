"""Conversations to fill a service with: of a file, or the few that come along."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from chatkeep.errors import ConfigurationError

DEFAULT_FILE = Path("conversations.jsonl")
OWN_FILE = "demo_conversations.jsonl"
# The mark of these conversations, and of accounts that were made for them.
MADE_BY = {"made_by": "chatkeep demo-data"}
DISPLAY_NAME = "Demonstration"
USERNAME_PREFIX = "demo-"


@dataclass(frozen=True, slots=True)
class DemoConversation:
    """Args:
    metadata: what the service is told to keep beside the conversation: id, language, category.
    """

    id: str
    metadata: dict[str, str]
    prompts: tuple[str, ...]

    @property
    def username(self) -> str:
        return f"{USERNAME_PREFIX}{self.id}"


def file_to_read(given: Path | None) -> Traversable | Path:
    """Return the given file, or `conversations.jsonl` in the working directory, or the one that comes along."""
    if given is not None:
        return given
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else files("chatkeep.cli.work") / OWN_FILE


def read_conversations(file: Traversable | Path) -> list[DemoConversation]:
    """Read `{"id", "language", "category", "turns": [{"prompt", "reply"}]}`, one a line; replies are not used.

    Raises:
        ConfigurationError: names the file, and the line where it is something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{file} cannot be read: {reason}. Name another with --file.") from error
    found = list(_parsed(file, text))
    if not found:
        raise ConfigurationError(f"There is no conversation in {file}. Name another with --file.")
    return found


def _parsed(file: Traversable | Path, text: str) -> Iterator[DemoConversation]:
    # Only at line feeds: U+2028 and its like may be part of what somebody wrote.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield _conversation(json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise ConfigurationError(
                    f"{file}, line {number} is no conversation. It takes an object such as "
                    '{"id": "en-1", "language": "en", "category": "writing", "turns": [{"prompt": "Hello", '
                    '"reply": null}]}.'
                ) from error


def _conversation(line: dict[str, object]) -> DemoConversation:
    turns = line["turns"]
    if not isinstance(turns, list) or not turns:
        raise TypeError("no turns")
    prompts = tuple(turn["prompt"] for turn in turns)
    for prompt in prompts:
        prompt.encode()  # a lone surrogate is no text
    metadata = {"demo": str(line["id"]), **MADE_BY}
    metadata |= {name: str(line[name]) for name in ("language", "category") if line.get(name)}
    return DemoConversation(str(line["id"]), metadata, prompts)
