"""Reindexing in the terminal, with a bar that shows how far it is."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy import func, select

from chatkeep.chat.search.indexer import reindex
from chatkeep.cli.terminal.output import answer, errors
from chatkeep.database.database import Database
from chatkeep.database.tables import user_activity


async def reindex_database(database: Database) -> None:
    """Index the turns that are missing, and tell how many there were."""
    checked = made = 0
    with _progress() as progress:
        task = progress.add_task("Reindexing", total=await _turn_count(database))
        async for turns, turns_made in reindex(database):
            checked += turns
            made += turns_made
            progress.advance(task, turns)
    answer(f"Turns checked: {checked:,}. Indexed: {made:,}.")


async def _turn_count(database: Database) -> int:
    """From the counters of users: counting turns would read them all."""
    async with database.transaction() as connection:
        counted = await connection.execute(select(func.coalesce(func.sum(user_activity.c.turn_count), 0)))
        return int(counted.scalar_one())


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
