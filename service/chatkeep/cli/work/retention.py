"""Applies the retention policy at the terminal, with a progress bar."""

from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import command_database, command_settings
from chatkeep.cli.terminal.output import answer, errors, print_info
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.retention.policy import Removed, count_due, delete_old, rules
from chatkeep.retention.queries import Rule


def retain(database_url: str | None, data_dir: Path | None, *, dry_run: bool, reason: str | None = None) -> None:
    """Delete what the configured policy says, or only tell of it."""
    settings = command_settings(database_url, data_dir)
    if not settings.retention_days:
        answer("CHATKEEP_RETENTION_DAYS names no role: everything is kept.")
        return
    for role, days in sorted(settings.retention_days.items()):
        print_info(f"Conversations of the role {role} are kept for {days} days after their last turn.")
    due = rules(settings.retention_days, utc_now())
    with command_database(settings) as database:
        found = database.run(lambda connected: count_due(connected, due))
        if dry_run:
            answer(f"{_told(found)} would be deleted.")
        else:
            removed = database.run_on_record(
                lambda connected, audit: _delete(connected, audit, due, found.conversations), reason=reason
            )
            answer(f"{_told(removed)} deleted.")


async def _delete(database: Database, audit: Recorder, due: list[Rule], total: int) -> Removed:
    columns = (TextColumn("Deleting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=total)
        return await delete_old(database, audit, due, progress=lambda many: bar.advance(task, many))


def _told(removed: Removed) -> str:
    return f"{removed.conversations:,} conversations with {removed.turns:,} turns"
