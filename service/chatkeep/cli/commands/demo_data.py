"""`chatkeep demo-data`: what the command takes."""

from pathlib import Path
from typing import Annotated

import typer

from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, examples, storable
from chatkeep.cli.terminal.output import print_info
from chatkeep.cli.work.demo_conversations import file_to_read, read_conversations

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "chatkeep demo-data",
        "a dozen conversations, half of them in Japanese, in the first administrator's list",
        "chatkeep demo-data --username alice",
        "the same in Alice's list",
        "chatkeep demo-data --people --url https://chat.example.org --file questions.jsonl --users 4",
        "each conversation by a user of its own, four at a time, on another machine",
        "chatkeep demo-data --remove",
    )
)
def demo_data(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            show_default=False,
            help="Where the service is. Default: where the service of the embedded database runs. With a database "
            "server of your own, required without --people.",
        ),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            "--username",
            "--user",
            metavar="NAME",
            callback=storable,
            show_default=False,
            help="The account to fill. Default: the first administrator.",
        ),
    ] = None,
    people: Annotated[
        bool,
        typer.Option(
            "--people",
            help="Make a user for each conversation instead: demo-NAME, shown as “Demonstration”. Needs no database.",
        ),
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help=(
                'One conversation per line: {"id", "language", "category", "turns": [{"prompt", "reply"}]}. Default: '
                "conversations.jsonl in this folder, or a dozen built-in ones."
            ),
        ),
    ] = None,
    users: Annotated[int, typer.Option(min=1, max=200, help="How many conversations run at a time.")] = 16,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Delete what earlier runs made, users of --people included, and nothing else."),
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Fill your list in a running service with sample conversations over its public API, and wait for the replies. Then
    read every history back and compare it with what was sent, byte by byte. A second run adds only what is missing.
    """
    if (people or remove) and (username is not None or (people and remove)):
        raise typer.BadParameter("Choose one of --username, --people and --remove.")
    # Loads the HTTP client and the database's libraries, for which help and completion need not wait.
    from chatkeep.cli.database import command_settings  # noqa: PLC0415

    if remove:
        from chatkeep.cli.work.demo_removal import remove as remove_all  # noqa: PLC0415

        remove_all(command_settings(database_url, data_dir))
        return
    from chatkeep.cli.work.demo_data import fill_account, fill_with_people  # noqa: PLC0415

    chosen = file_to_read(file)
    conversations = read_conversations(chosen)
    settings = command_settings(database_url, data_dir)
    if people:
        went_well = fill_with_people(settings, url, conversations, at_once=users)
    else:
        went_well = fill_account(settings, url, username, conversations, at_once=users)
    print_info(f"The {len(conversations)} conversations come from {chosen}.")
    if not went_well:
        raise typer.Exit(1)
