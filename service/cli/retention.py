"""`chatkeep retention`: what the retention policy is, what it would delete, and deleting it."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from typing import Annotated

import typer

from service.cli.options import DatabaseUrl, DataDir, Reason, examples

app = typer.Typer(add_completion=False, rich_markup_mode="rich")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")]
CASES = examples(
    "chatkeep retention --dry-run",
    "the policy, and what a run would delete",
    """CHATKEEP_RETENTION_DAYS='{"user": 365, "guest": 7}' chatkeep retention run""",
)


@app.callback(
    invoke_without_command=True,
    epilog=CASES,
    help="Delete conversations in which nobody has written for longer than CHATKEEP_RETENTION_DAYS keeps those of "
    "their user's role. Without a command, tell what would be deleted.",
)
def retention(
    context: typer.Context,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Tell what a run would delete."""
    if context.invoked_subcommand is None:
        from service.cli.retention_run import retain

        retain(database_url, data_dir, dry_run=True)
    elif dry_run:
        raise typer.BadParameter("Write --dry-run after the command: chatkeep retention run --dry-run.")


@app.command("run", short_help="Delete what is older than the policy keeps it.", epilog=CASES)
def run(
    dry_run: DryRun = False, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Delete conversations as a whole, a few at a time; the service may run meanwhile. Users under legal hold and
    replies that are being generated are left alone. Broken off, it has deleted whole conversations only, and running it
    again goes on. The service itself does the same every hour.
    """
    from service.cli.retention_run import retain

    retain(database_url, data_dir, dry_run=dry_run, reason=reason)
