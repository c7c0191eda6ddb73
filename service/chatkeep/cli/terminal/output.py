"""Where the command writes: results to standard output, everything else to standard error."""

import os
import re
import sys
from typing import NoReturn, TextIO

from rich.console import Console
from rich.text import Text

# Characters that would move a terminal's cursor, change its title or turn its text: a user's text is never obeyed.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_OTHER_BREAKS = re.compile("[\x7f-\x9f\u2028\u2029]")
_LINE_BREAKS = re.compile("[\t\n\r]+")


class _Aside(Console):
    """Standard error. Where nobody reads it any more the command goes on, and stops what it has started."""

    def on_broken_pipe(self) -> None:
        self.go_quiet()

    def go_quiet(self) -> None:
        self.quiet = True
        _write_nowhere(sys.stderr)


results = Console(highlight=False)
errors = _Aside(stderr=True, highlight=False)


def escape_terminal(text: str) -> str:
    """Return `text` for a terminal, on one line: breaks become spaces, what cannot be shown becomes a dot."""
    return _UNSHOWABLE.sub("·", _LINE_BREAKS.sub(" ", text))


def answer(sentence: str) -> None:
    """Print one line of the result."""
    results.print(Text(sentence), soft_wrap=True)


def answer_json(text: str) -> None:
    """Print one line of JSON in UTF-8, whatever the terminal speaks.

    What is a line break to some readers, or a command to some terminals, is written as its escape.
    """
    line = _OTHER_BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    sys.stdout.buffer.write(line.encode() + b"\n")


def print_info(sentence: str) -> None:
    """Tell what takes its time."""
    try:
        errors.print(Text(sentence, style="dim"), soft_wrap=True)
    except OSError:  # the disk that it goes to is full
        errors.go_quiet()


def print_error(sentence: str) -> None:
    """Tell what went wrong and what to do about it."""
    shown = "\n".join(escape_terminal(line) for line in sentence.splitlines())
    errors.print(Text.assemble(("chatkeep: ", "bold red"), shown), soft_wrap=True)


def open_what_is_closed() -> None:
    """Give a command that was started with a closed input or output (`>&-`) an empty one.

    Its number would otherwise go to the next file or connection, into which the command would then print.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  by number, and open to the end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  by number, and open to the end
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  by number, and open to the end


def let_nothing_fail_to_print() -> None:
    """Have a terminal that knows fewer characters show `?` instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def leave_quietly() -> NoReturn:
    """End where the output cannot be written, as when `head` has gone; Python would complain at its own end."""
    for stream in (sys.stdout, sys.stderr):
        _write_nowhere(stream)
    sys.exit(1)


def _write_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
