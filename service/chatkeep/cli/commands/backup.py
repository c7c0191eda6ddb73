"""`chatkeep backup` and `chatkeep restore`: what they take."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from pathlib import Path
from typing import Annotated

import typer

from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, ReasonToRecord, examples

backup_app = typer.Typer(add_completion=False, rich_markup_mode="rich")
restore_app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@backup_app.command(
    epilog=examples(
        "chatkeep backup chatkeep-$(date +%F).backup",
        "CHATKEEP_DATABASE_URL=postgresql://chatkeep@db/chatkeep chatkeep backup chats.backup --force",
    )
)
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Write accounts, conversations, sessions and statistics into one file that only you can read: a consistent
    snapshot, taken while the service runs. The file is a pg_dump archive, so PostgreSQL's own tools can read it. It
    does not contain the signing secret or other settings.
    """
    from chatkeep.cli.work.backup import make_backup

    make_backup(file, database_url, data_dir, force=force, reason=reason)


@restore_app.command(
    epilog=examples(
        "chatkeep restore chatkeep-2026-01-31.backup --data-dir ./another",
        "chatkeep restore chatkeep-2026-01-31.backup --replace",
        "replaces everything that is there now",
    )
)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A file that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a database that has users or conversations, which are lost.")
    ] = False,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Replace the database with a backup and bring it to this version: all or nothing. Stop the service first."""
    from chatkeep.cli.work.backup import restore_backup

    restore_backup(file, database_url, data_dir, replace=replace, reason=reason)
