"""Arguments and options that several commands share, and the examples below their help."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

# How a line of an example begins; any other says what the one above it does.
COMMANDS = ("chatkeep", "CHATKEEP_")


def storable(text: str | None) -> str | None:
    """Refuse what PostgreSQL cannot keep: an argument may hold bytes that are no text."""
    if text is not None:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise typer.BadParameter("This is not text in UTF-8.") from None
        if "\x00" in text:
            raise typer.BadParameter("The character U+0000 cannot be kept.")
    return text


def examples(*lines: str) -> str:
    """Return the end of a command's help: commands, each followed by what it does."""
    shown = [escape(line) if line.startswith(COMMANDS) else f"    {escape(line)}" for line in lines]
    return "\n".join(["[bold]Examples[/]", "", *shown])


Username = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        callback=storable,
        show_default=False,
        help="The username; upper and lower case are the same.",
    ),
]

Reason = Annotated[
    str | None,
    typer.Option(
        callback=storable,
        metavar="TEXT",
        show_default=False,
        help="Why; it is put on record, with your account on this machine.",
    ),
]

# Of what leaves no row by itself.
ReasonToRecord = Annotated[
    str | None,
    typer.Option(
        callback=storable,
        metavar="TEXT",
        show_default=False,
        help="Why; with it, that you did is put on record, with your account on this machine.",
    ),
]

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        show_default=False,
        rich_help_panel="Database",
        help="postgresql://user@host/name. Process lists show it: one with a password is better kept in "
        "CHATKEEP_DATABASE_URL. Default: the embedded server.",
    ),
]

DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        rich_help_panel="Database",
        help="Folder of the embedded server. Default: the platform's place for data.",
    ),
]
