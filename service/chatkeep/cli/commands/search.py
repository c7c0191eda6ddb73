"""`chatkeep search`: rebuild missing or old parts of the search index."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

import typer

from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, examples

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Maintain the search index.",
)


@app.callback()
def search() -> None:
    """Maintain the search index."""


@app.command(
    "reindex",
    short_help="Index turns that search does not find yet, after an upgrade or an import.",
    epilog=examples(
        "chatkeep search reindex",
        "while the service runs; Ctrl-C stops it, and the next run continues there",
        "chatkeep search reindex --database-url postgresql://chatkeep@db/chatkeep",
    ),
)
def reindex(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Go through all turns, and index those that are not indexed yet or were indexed by an older version. The service
    may keep running: a few turns are done at a time, and nobody waits for it. Finished turns are skipped, so you can
    stop it and run it again at any time.
    """
    from chatkeep.cli.work.search import reindex_database

    with open_database(database_url, data_dir) as database:
        database.run(reindex_database)
