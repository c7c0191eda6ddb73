"""`chatkeep import` and `chatkeep export`: an account's history from a file, and into one."""

import sys
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, all_storable, examples, storable

importing = typer.Typer(add_completion=False, rich_markup_mode="rich")
exporting = typer.Typer(add_completion=False, rich_markup_mode="rich")

User = Annotated[
    str,
    typer.Option(
        "--user",
        "--username",
        metavar="NAME",
        callback=storable,
        show_default=False,
        help="The user whose history it is.",
    ),
]


def _existing(paths: list[Path]) -> list[Path]:
    for path in paths:
        if str(path) != "-" and not path.exists():
            raise typer.BadParameter(f"The path {path} does not exist.")
    return paths


@importing.command(
    epilog=examples(
        "chatkeep import chatgpt-export.zip --user alice",
        "the file that ChatGPT sent",
        "chatkeep import chats.json --user alice --format jsonl | jq 'select(.outcome == \"failed\")'",
        "the conversations of an Open WebUI export that could not be imported",
        "chatkeep import all-chats.json --user alice --owner 7d1f0c5b",
        "of an administrator's export, the conversations of one of its users",
        "chatkeep import ~/.lmstudio/conversations --user alice",
        "all files of a folder",
    )
)
def import_history(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            callback=_existing,
            show_default=False,
            help=(
                "Exports of this service, ChatGPT, Claude.ai, Gemini, LibreChat, Open WebUI and other programs, as "
                "JSON, JSONL, gzip or ZIP; folders of such files; - for the standard input."
            ),
        ),
    ],
    user: User,
    owner: Annotated[
        list[str],
        typer.Option(
            "--owner",
            metavar="NAME",
            default_factory=list,
            callback=all_storable,
            show_default=False,
            help="Of an export of several people: whose conversations are imported. * for everybody's.",
        ),
    ],
    output_format: Annotated[
        Literal["lines", "jsonl"],
        typer.Option("--format", help="The outcome of each conversation, as text or as JSON."),
    ] = "lines",
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add the conversations of files to a user's history. Conversations that were imported before are skipped, and get
    their new turns where they are longer now, so you can import a file again, also after an interruption. Anything that
    has no place in a turn is kept in the conversation's metadata.
    """
    # Loads most of the service, for which help and completion need not wait.
    from chatkeep.cli.work.transfer import import_into  # noqa: PLC0415

    with open_database(database_url, data_dir) as database:
        if not import_into(database, user, files, owner, as_json=output_format == "jsonl", reason=reason):
            raise typer.Exit(1)


@exporting.command(
    epilog=examples(
        "chatkeep export --user alice > alice.jsonl",
        "chatkeep import alice.jsonl --user alice --database-url postgresql://chatkeep@elsewhere/chatkeep",
        "the same history on another server",
        "chatkeep export --user alice --format zip > alice.zip",
        "with the pictures and other files of the conversations",
        "chatkeep export --user alice --format html > alice.zip",
        "the same with pages to read: open index.html in a browser",
        "chatkeep export --user alice --conversation 01980000-… --format markdown > tea.md",
        "one conversation as Markdown",
    )
)
def export_history(
    user: User,
    file_format: Annotated[
        Literal["json", "jsonl", "markdown", "html", "zip"] | None,
        typer.Option(
            "--format",
            show_default=False,
            help="Of a history: jsonl (the default), zip with its files, or html, a ZIP that has pages to read, too. "
            "Of a conversation: json (the default), jsonl, markdown, html or zip.",
        ),
    ] = None,
    conversation: Annotated[
        UUID | None, typer.Option(metavar="ID", show_default=False, help="This conversation alone.")
    ] = None,
    language: Annotated[Literal["en", "ja"], typer.Option(help="The language of pages.")] = "en",
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a user's whole history, one conversation per line as JSON, in the format that `chatkeep import` reads. As a
    ZIP, it has the files of the conversations, too. With --conversation, print one conversation. The export is
    recorded, and the user can see that an operator made it.
    """
    chosen = file_format or ("jsonl" if conversation is None else "json")
    if conversation is None and chosen in ("json", "markdown"):
        raise typer.BadParameter(f"{chosen} is of one conversation: add --conversation ID.", param_hint="--format")
    if sys.stdout.isatty() and (chosen == "zip" or (chosen == "html" and conversation is None)):
        raise typer.BadParameter(
            "A ZIP is not for a terminal. Write it to a file: > history.zip", param_hint="--format"
        )
    from chatkeep.cli.work.transfer import export_of  # noqa: PLC0415

    with open_database(database_url, data_dir) as database:
        export_of(database, user, reason, chosen, conversation_id=conversation, language=language)
