"""`chatkeep backup` and `chatkeep restore`: what they take; the work is in `backup_files`."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import DatabaseUrl, DataDir, Reason, ReasonToRecord, examples

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
    """Write accounts, conversations, sessions and statistics as they are at one moment into a file that only you can
    read. The service may run meanwhile. The file is an archive of pg_dump, so that PostgreSQL's own tools can read it,
    too. Not in it: the signing secret and other settings.
    """
    from service.cli.backup_files import make_backup

    make_backup(file, database_url, data_dir, force=force, reason=reason)


@restore_app.command(
    epilog=examples(
        "chatkeep restore chatkeep-2026-01-31.backup --data-dir ./another",
        "chatkeep restore chatkeep-2026-01-31.backup --replace",
        "what is there now is gone",
    )
)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A file that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where there are users or conversations: they are then gone.")
    ] = False,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Replace the database with a backup, and bring it to this version. It happens whole or not at all. Stop the
    service first.
    """
    from service.cli.backup_files import restore_backup

    restore_backup(file, database_url, data_dir, replace=replace, reason=reason)
