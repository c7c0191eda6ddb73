"""`chatkeep audit`: what the commands take; the work is in `audit_events` and `audit_verdict`."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from service.audit.actions import Action
from service.cli.opening import opened
from service.cli.options import DatabaseUrl, DataDir, Reason, ReasonToRecord, examples, storable
from service.cli.times import moment
from service.clock import utc_now
from service.errors import Invalid

DEFAULT_LIMIT = 50

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Show, check and export the audit trail: who did or read what, when and from where.",
)


def _filter(*names: str, **attributes: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Filters", show_default=False, **attributes)


def _time(text: str) -> datetime:
    try:
        return moment(text, utc_now())
    except Invalid as error:
        raise typer.BadParameter(error.detail) from None


ActorId = Annotated[UUID | None, _filter(help="What this user did.")]
SubjectId = Annotated[UUID | None, _filter(help="What was done to this user, or to what the user wrote.")]
OfAction = Annotated[Action | None, _filter("--action", metavar="ACTION", help=f"One of {', '.join(Action)}.")]
Since = Annotated[
    datetime | None,
    _filter(
        "--from",
        parser=_time,
        metavar="TIME",
        help="Then or later: 2026-01-31 (midnight, UTC), 2026-01-31T09:30:00+09:00, or how long ago: 90m, 2h, 7d, 4w.",
    ),
]
Until = Annotated[datetime | None, _filter("--to", parser=_time, metavar="TIME", help="Before then.")]


@app.command(
    "list",
    short_help="Print what happened, newest first.",
    epilog=examples(
        "chatkeep audit list --from 1d --action sign_in_failed",
        "who tried to get in today, and could not",
        "chatkeep audit list --subject-id 0198c0de-0000-7000-8000-00000000a11c",
        "what was done to an account, and who read it",
        "chatkeep audit list --action history_read --format jsonl | jq -r .reason",
    ),
)
def list_events(
    actor_id: ActorId = None,
    subject_id: SubjectId = None,
    action: OfAction = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="All that fit, however many.")] = False,
    output_format: Annotated[
        Literal["table", "jsonl"],
        typer.Option("--format", help="A table, or everything: one event a line, as JSON with the API's field names."),
    ] = "table",
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print who did or read what, newest first. All filters must fit."""
    from service.cli.audit_events import EventFilters, print_events

    filters = EventFilters(actor_id=actor_id, subject_id=subject_id, action=action, since=since, until=until)
    most = None if everything else limit
    with opened(database_url, data_dir) as database:
        database.note(Action.AUDIT_READ, reason)
        database.run(lambda connected: print_events(connected, filters, most, output_format))


@app.command(
    "export",
    short_help="Write whole rows as JSON lines, oldest first.",
    epilog=examples(
        "chatkeep audit export > audit.jsonl",
        "chatkeep audit export --from 2026-01-01 --to 2026-02-01 --reason 'monthly archive' > january.jsonl",
        "chatkeep audit export | head -n 1 | jq -caS 'del(.hash)' | tr -d '\\n' | sha256sum",
        "the hash of a row, worked out again without Chatkeep",
    ),
)
def export(
    actor_id: ActorId = None,
    subject_id: SubjectId = None,
    action: OfAction = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Write the trail to standard output, one row a line, oldest first, with every column that is hashed and the hash.
    That it was exported is a row, too.
    """
    from service.cli.audit_events import EventFilters, export_events

    filters = EventFilters(actor_id=actor_id, subject_id=subject_id, action=action, since=since, until=until)
    with opened(database_url, data_dir) as database:
        database.run_on_record(
            lambda connected, audit: export_events(connected, audit, filters, progress=True), reason=reason
        )


@app.command(
    "verify",
    short_help="Prove that no row was changed, removed, added or moved.",
    epilog=examples(
        "chatkeep audit verify",
        "exits with 1 and says which rows, where the trail is not whole",
        "chatkeep audit verify --save /mnt/elsewhere/audit.json",
        "keeps where the trail ends; do so now and then, where the database's owner cannot write",
        "chatkeep audit verify --against /mnt/elsewhere/audit.json",
        "also proves that all of it is there still: without it, nobody can tell a restored old copy",
    ),
)
def verify(
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, show_default=False, help="A file of --save."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, show_default=False, help="Where to keep where the trail ends."),
    ] = None,
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Read the whole trail and say how many rows are as they were written. Takes the service's signing key from
    CHATKEEP_SECRET_KEY; the service may run meanwhile.
    """
    from service.cli.audit_verdict import read_checkpoint, verify_trail

    checkpoint = None if against is None else read_checkpoint(against)
    with opened(database_url, data_dir) as database:
        database.note(Action.AUDIT_VERIFIED, reason)
        whole = verify_trail(database, checkpoint, save)
    if not whole:
        raise typer.Exit(1)


@app.command(
    "seal",
    short_help="Accept the trail as it is now, with today's key.",
    epilog=examples("chatkeep audit seal --reason 'signing key leaked and was replaced'"),
)
def seal(
    reason: Annotated[
        str, typer.Option(callback=storable, metavar="TEXT", show_default=False, help="Why; it is put on record.")
    ],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Seal the ends of all chains again: for when the signing key was replaced, and the old one not kept beside it.
    Look at `chatkeep audit verify` first: what somebody else put there before is sealed with the rest. That it was
    done stays on record.
    """
    from service.cli.audit_verdict import seal_trail

    with opened(database_url, data_dir) as database:
        seal_trail(database, reason)
