"""`chatkeep retention`: what the retention policy is, what it would delete, and deleting it."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from typing import Annotated

import typer

from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, examples

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")]
CASES = examples(
    "chatkeep retention --dry-run",
    "the policy, and what a run would delete",
    """CHATKEEP_RETENTION_DAYS='{"user": 365, "guest": 7}' chatkeep retention run""",
)


@app.callback(
    invoke_without_command=True,
    epilog=CASES,
    help=(
        "Delete conversations whose last turn is older than CHATKEEP_RETENTION_DAYS allows for the role of "
        "their user. Without a command, show what would be deleted."
    ),
)
def retention(
    context: typer.Context,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Show what a run would delete."""
    if context.invoked_subcommand is None:
        from chatkeep.cli.work.retention import retain

        retain(database_url, data_dir, dry_run=True)
    elif dry_run:
        raise typer.BadParameter("Write --dry-run after the command: chatkeep retention run --dry-run.")


@app.command("run", short_help="Delete what the policy no longer keeps.", epilog=CASES)
def run(
    dry_run: DryRun = False, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Delete whole conversations, a few at a time. The service may keep running; it does the same every hour. Users
    under legal hold and replies in progress are left alone. If it is interrupted, run it again.
    """
    from chatkeep.cli.work.retention import retain

    retain(database_url, data_dir, dry_run=dry_run, reason=reason)
