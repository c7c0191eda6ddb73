"""How the person at the terminal calls this command."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "chatkeep"


def command_name() -> str:
    """Return `chatkeep` where a shell finds this very command; otherwise the path that it was started with."""
    started = sys.argv[0]
    if Path(started).name != NAME or not Path(started).is_file():
        return NAME
    found = shutil.which(NAME)
    return NAME if found and Path(found).samefile(started) else shlex.quote(started)


def as_typed(command: str) -> str:
    """Return a command that begins with `chatkeep` as it works in this folder."""
    return command_name() + command.removeprefix(NAME) if command.startswith(f"{NAME} ") else command
