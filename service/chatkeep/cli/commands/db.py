"""`chatkeep db`: what the commands take."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from typing import Annotated

import typer

from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, examples

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help=(
        "Bring the database to this version, or show its state. Without --database-url or "
        "CHATKEEP_DATABASE_URL this is the embedded server's."
    ),
)


@app.command(
    "upgrade",
    short_help="Bring the database to this version.",
    epilog=examples("chatkeep db upgrade", "chatkeep db upgrade --database-url postgresql://chatkeep@db/chatkeep"),
)
def upgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="The revision to stop at.")] = "head",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Bring the database to this version of the service, or to an earlier revision: all or nothing. If several run at
    once, they wait for each other, and nothing is done twice.
    """
    from chatkeep.cli.work.db import upgrade_database

    with open_database(database_url, data_dir) as database:
        upgrade_database(database, revision)


@app.command(
    "downgrade",
    short_help="Take the database back to an earlier revision.",
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "chatkeep db downgrade -1",
        "one step back",
        "chatkeep db downgrade base --yes",
        "all the way, without asking: nothing is left",
    ),
)
def downgrade(
    revision: Annotated[
        str, typer.Argument(metavar="REVISION", show_default=False, help="A revision, -1 for one step, or base.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Take the database back to an earlier revision. Everything that newer revisions added is lost: make a backup
    first. Asks before it does anything.
    """
    from chatkeep.cli.work.db import downgrade_database

    with open_database(database_url, data_dir) as database:
        downgrade_database(database, revision, ask=not yes)


@app.command("current", short_help="Print the database's revision.", epilog=examples("chatkeep db current"))
def current(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Print the revision that the database is at: `0001 (head)`, or `0001, behind head 0002`."""
    from chatkeep.cli.work.db import print_revision

    with open_database(database_url, data_dir) as database:
        print_revision(database)


@app.command(
    "check",
    short_help="Check that the tables are the ones that this version needs.",
    epilog=examples("chatkeep db check && systemctl restart chatkeep"),
)
def check(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Check that the database is at this version's revision and that its tables match the code. Exits with 1 if not."""
    from chatkeep.cli.work.db import check_database

    with open_database(database_url, data_dir) as database:
        if not check_database(database):
            raise typer.Exit(1)
