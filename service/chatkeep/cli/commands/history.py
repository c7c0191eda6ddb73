"""`chatkeep history`: turns of all users in the terminal, by the filters of `GET /api/v1/admin/history`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import typer

from chatkeep.chat.status import Status
from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, examples, filter_option, storable, time_option

DEFAULT_LIMIT = 50

Format = Literal["table", "jsonl"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "chatkeep history --from 2h --status failed",
        "what went wrong in the last two hours",
        "chatkeep history --username 田中 --from 2026-01-01 --to 2026-02-01 --all",
        "chatkeep history --q '東京 \"green tea\"'",
        "turns with both, in prompt or reply",
        "chatkeep history --all --format jsonl > history.jsonl",
        "chatkeep history --rating -1 --format jsonl | jq -r .prompt.content",
    )
)
def history(
    q: Annotated[
        str | None,
        filter_option(
            "--q",
            callback=storable,
            metavar="WORDS",
            help=(
                'Finished turns with all of these words; "…" is a phrase. Japanese, Chinese and Korean match any '
                "part of a text. in:reasoning looks in what the model thought instead."
            ),
        ),
    ] = None,
    user_id: Annotated[UUID | None, filter_option(help="Turns of this user.")] = None,
    username: Annotated[
        str | None,
        filter_option(
            "--username", "--user", callback=storable, metavar="NAME", help="Turns of the user of this name."
        ),
    ] = None,
    conversation_id: Annotated[
        UUID | None, filter_option(help="Turns of this conversation, on all its branches.")
    ] = None,
    model: Annotated[
        str | None, filter_option(callback=storable, metavar="NAME", help="Turns that this model answered.")
    ] = None,
    status: Annotated[
        Status | None,
        filter_option(
            metavar="STATUS",
            help="Turns that are complete, incomplete (cut by the model), stopped, failed, interrupted or streaming.",
        ),
    ] = None,
    rating: Annotated[
        Literal["1", "-1"] | None, filter_option(help="Turns that the user rated up (1) or down (-1).")
    ] = None,
    since: Annotated[
        datetime | None,
        filter_option(
            "--from",
            parser=time_option,
            metavar="TIME",
            help=(
                "Turns begun at this time or later: 2026-01-31 (midnight, UTC), 2026-01-31T09:30:00+09:00, or how "
                "long ago: 90m, 2h, 7d, 4w."
            ),
        ),
    ] = None,
    until: Annotated[
        datetime | None, filter_option("--to", parser=time_option, metavar="TIME", help="Turns begun before this time.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of turns.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="All matching turns.")] = False,
    reason: Reason = None,
    output_format: Annotated[
        Format,
        typer.Option(
            "--format",
            help="A table with long text cut, or one JSON object per line with every field, named as in the API.",
        ),
    ] = "table",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Show turns, newest first. Filters combine: a turn must match all of them. It reads page by page, so a long
    history takes little memory and slows nobody down. The reading is recorded, and the users can see that an operator
    read their turns.
    """
    if since and until and since >= until:
        raise typer.BadParameter("--from is not before --to, so no turn can match.")
    # Loads the database's libraries, for which help and completion need not wait.
    from chatkeep.cli.audit_recorder import require_reason  # noqa: PLC0415
    from chatkeep.cli.work.history import HistoryFilters, print_history  # noqa: PLC0415

    filters = HistoryFilters(
        q=q,
        user_id=user_id,
        conversation_id=conversation_id,
        model=model,
        status=status,
        rating=int(rating) if rating else None,
        since=since,
        until=until,
    )
    most = None if everything else limit
    with open_database(database_url, data_dir) as database:
        require_reason(database.settings, reason)
        database.run_on_record(
            lambda connected, audit: print_history(connected, audit, filters, username, most, output_format),
            reason=reason,
        )
