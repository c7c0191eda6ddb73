"""`chatkeep stats`: the counters of `GET /api/v1/admin/stats`, as charts in the terminal."""

from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from chatkeep.audit.actions import Action
from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, ReasonToRecord, examples, time_option

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


def _when(name: str, text: str) -> Any:
    return typer.Option(name, parser=time_option, metavar="TIME", show_default=False, help=text)


@app.command(
    epilog=examples(
        "chatkeep stats",
        "the last 30 days",
        "chatkeep stats --bucket hour --from 12h",
        "chatkeep stats --bucket week --from 2026-01-01 --json | jq .total.models",
    )
)
def stats(
    since: Annotated[
        datetime | None,
        _when("--from", "From the hour, day or week of this time on: 2026-01-31, or how long ago: 12h, 30d, 26w."),
    ] = None,
    until: Annotated[datetime | None, _when("--to", "To the end of the one before this time. Default: now.")] = None,
    bucket: Annotated[
        Literal["hour", "day", "week"], typer.Option(help="Hours, days, or weeks from Monday on, all in UTC.")
    ] = "day",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, as in the HTTP API.")] = False,
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Show usage, failures and response times: turns by the time they ended, new accounts and conversations, tokens if
    the model reports them, and each model separately. Counters outlive the histories that they count. Imported
    histories are not counted.
    """
    # Loads the database's libraries, for which help and completion need not wait.
    from chatkeep.cli.work.stats import print_statistics  # noqa: PLC0415

    with open_database(database_url, data_dir) as database:
        database.note(Action.STATISTICS_READ, reason)
        database.run(lambda connected: print_statistics(connected, since, until, bucket, as_json=as_json))
