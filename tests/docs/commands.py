"""Commands in a text, held against the commands as they are."""

import re
import shlex
from functools import cache
from itertools import pairwise
from typing import Any

from chatkeep.cli.main import COMMANDS, load_command
from tests.docs.documents import ROOT

# What ends a simple command in a shell.
_ENDS = re.compile(r"&&|\|\||[;&|()\n]")
_ASSIGNMENT = re.compile(r"\w+=.*")
_MAKE = re.compile(r"(?:^|[;&|])[ \t]*make[ \t]+([^#|;&>\n]*)", re.MULTILINE)
# COMMAND and FILE stand for something, `…` and `...` for more.
_PLACEHOLDER = re.compile(r"[A-Z_]+|.*…|\.\.\.")
HELP = ("--help", "-h", "--version")


def commands_in(text: str) -> list[list[str]]:
    """Return the words of each `chatkeep …` in a line of prose or in a script, without `chatkeep`.

    Not where it is another program's word, such as the name of a container; but where that program runs it there.
    """
    simple = map(_words, _ENDS.split(text.replace("\\\n", " ")))
    return [found for words in simple if (found := _arguments(words)) is not None]


def _arguments(words: list[str]) -> list[str] | None:
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in ("sudo", "exec", "env")):
        words = words[1:]
    if words and words[0].rpartition("/")[2] == "chatkeep":
        return words[1:] or None
    twice = next((at for at, pair in enumerate(pairwise(words)) if pair == ("chatkeep", "chatkeep")), None)
    return None if twice is None else words[twice + 2 :]


def targets_in(text: str) -> list[list[str]]:
    """Return the words of each `make …`."""
    return [_words(found) for found in _MAKE.findall(text)]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def fault_of(words: list[str]) -> str | None:
    """Return the part of this `chatkeep` command that does not exist; None where all of it does."""
    command: Any = None
    known = COMMANDS.keys()
    for position, word in enumerate(words):
        if word.startswith("-"):
            break
        if command is not None and not known:
            break
        if _PLACEHOLDER.fullmatch(word):
            return None
        if word not in known:
            return f"there is no command `chatkeep {' '.join(words[: position + 1])}`"
        command = load_command(word) if command is None else command.commands[word]
        known = getattr(command, "commands", {}).keys()
    return _fault_of_options(command, words)


def _fault_of_options(command: Any, words: list[str]) -> str | None:
    options = _options_of(command) if command is not None else set()
    for word in words:
        name = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", name) and name not in options and name not in HELP:
            return f"`chatkeep {' '.join(words)}` has no option {name}"
    return None


def _options_of(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}


@cache
def all_options() -> frozenset[str]:
    """Return every option that some command has."""

    def below(command: Any) -> set[str]:
        return _options_of(command).union(*map(below, getattr(command, "commands", {}).values()))

    return frozenset(HELP).union(*(below(load_command(name)) for name in COMMANDS))


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def make_variables() -> frozenset[str]:
    return frozenset(re.findall(r"\$\((?:or \$\()?([A-Z]+)\)", (ROOT / "Makefile").read_text()))
