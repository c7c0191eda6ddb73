"""The question of whose conversations are imported, where a file has those of several people and somebody is there."""

import sys
from collections.abc import Mapping, Sequence

from rich.progress import Progress

from chatkeep.cli.terminal.output import errors, escape_terminal, print_error, print_info
from chatkeep.transfer.owners import ALL

MAX_NAMED = 50
QUESTION = f"Whose are imported? Numbers or names, with commas; {ALL} for everybody's; empty for none: "


def ask_owners(owners: Mapping[str, int], progress: Progress) -> list[str]:
    """Ask whose conversations are meant; an empty list where nobody answers, or can.

    Args:
        owners: by their names in the other program, how many conversations each has.
        progress: not shown while it is asked.
    """
    if not (sys.stdin.isatty() and errors.is_terminal):
        return []
    progress.stop()
    for task in progress.task_ids:
        progress.remove_task(task)
    try:
        _show(owners)
        return _answer(list(owners))
    finally:
        progress.start()


def _show(owners: Mapping[str, int]) -> None:
    print_info(f"These are conversations of {len(owners)} people:")
    for number, (owner, count) in enumerate(list(owners.items())[:MAX_NAMED], start=1):
        print_info(f"  {number}  {escape_terminal(owner)}  ({count})")
    if len(owners) > MAX_NAMED:
        print_info(f"  and {len(owners) - MAX_NAMED} more")


def _answer(owners: Sequence[str]) -> list[str]:
    while True:
        errors.print(
            f"Whose are imported? Numbers or names, with commas; {ALL} for everybody's; empty for none: ", end=""
        )
        try:
            words = [each.strip() for each in input().split(",") if each.strip()]
        except EOFError:
            return []
        chosen = [_owner(word, owners) for word in words]
        unknown = [word for word, owner in zip(words, chosen, strict=True) if owner is None]
        if not unknown:
            return [owner for owner in chosen if owner is not None]
        print_error(f"None of them is {', '.join(unknown)}.")


def _owner(word: str, owners: Sequence[str]) -> str | None:
    """Return the owner whose name or number a word is; names come first, as some are numbers."""
    if word == ALL or word in owners:
        return word
    number = int(word) if word.isascii() and word.isdigit() else 0
    return owners[number - 1] if 0 < number <= len(owners) else None
