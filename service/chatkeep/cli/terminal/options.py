"""Arguments and options that several commands share, and the examples below their help."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from chatkeep.cli.terminal.times import parse_time
from chatkeep.clock import utc_now
from chatkeep.errors import Invalid

# How a line of an example begins; any other says what the one above it does.
COMMANDS = ("chatkeep", "CHATKEEP_")

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        show_default=False,
        rich_help_panel="Database",
        help=(
            "postgresql://user@host/name. Process lists show it: an address with a password belongs in "
            "CHATKEEP_DATABASE_URL. Default: the embedded server."
        ),
    ),
]

DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        rich_help_panel="Database",
        help="Folder of the embedded server. Default: the platform's data folder.",
    ),
]


def storable(text: str | None) -> str | None:
    """Refuse what PostgreSQL cannot keep: an argument may hold bytes that are no text."""
    if text is not None:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise typer.BadParameter("This is not text in UTF-8.") from None
        if "\x00" in text:
            raise typer.BadParameter("The character U+0000 cannot be stored.")
    return text


def all_storable(texts: list[str]) -> list[str]:
    """Refuse what PostgreSQL cannot keep, in each of the values of an option."""
    for text in texts:
        storable(text)
    return texts


def examples(*lines: str) -> str:
    """Return the end of a command's help: commands, each followed by what it does."""
    shown = [escape(line) if line.startswith(COMMANDS) else f"    {escape(line)}" for line in lines]
    return "\n".join(["[bold]Examples[/]", "", *shown])


def time_option(text: str) -> datetime:
    """Read a time as an option takes it; `parse_time` says which."""
    try:
        return parse_time(text, utc_now())
    except Invalid as error:
        raise typer.BadParameter(error.detail) from None


def filter_option(*names: str, **attributes: Any) -> Any:
    """Return an option that narrows a list, below "Filters" in the help."""
    return typer.Option(*names, rich_help_panel="Filters", show_default=False, **attributes)


Username = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        callback=storable,
        show_default=False,
        help="The username, in upper or lower case.",
    ),
]

Reason = Annotated[
    str | None,
    typer.Option(
        callback=storable,
        metavar="TEXT",
        show_default=False,
        help="The reason, which is recorded with your account on this machine.",
    ),
]

# Of what leaves no row by itself.
ReasonToRecord = Annotated[
    str | None,
    typer.Option(
        callback=storable,
        metavar="TEXT",
        show_default=False,
        help="The reason. If you give one, the command is recorded with it and your account on this machine.",
    ),
]
