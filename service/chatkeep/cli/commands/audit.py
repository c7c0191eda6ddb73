"""`chatkeep audit`: what the commands take."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from chatkeep.audit.actions import Action
from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import (
    DatabaseUrl,
    DataDir,
    Reason,
    ReasonToRecord,
    examples,
    filter_option,
    storable,
    time_option,
)

DEFAULT_LIMIT = 50

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Show, check and export the audit trail: who did or read what, when and from where.",
)


ActorId = Annotated[UUID | None, filter_option(help="Events by this user.")]
SubjectId = Annotated[UUID | None, filter_option(help="Events about this user or the user's conversations.")]
OfAction = Annotated[Action | None, filter_option("--action", metavar="ACTION", help=f"One of {', '.join(Action)}.")]
Since = Annotated[
    datetime | None,
    filter_option(
        "--from",
        parser=time_option,
        metavar="TIME",
        help=(
            "At this time or later: 2026-01-31 (midnight, UTC), 2026-01-31T09:30:00+09:00, or how long ago: 90m, "
            "2h, 7d, 4w."
        ),
    ),
]
Until = Annotated[datetime | None, filter_option("--to", parser=time_option, metavar="TIME", help="Before then.")]


@app.command(
    "list",
    short_help="Print what happened, newest first.",
    epilog=examples(
        "chatkeep audit list --from 1d --action sign_in_failed",
        "today's failed sign-ins",
        "chatkeep audit list --subject-id 0198c0de-0000-7000-8000-00000000a11c",
        "everything about one account, including who read it",
        "chatkeep audit list --subject alice",
        "the same by name, also of an account that was deleted",
        "chatkeep audit list --action history_read --format jsonl | jq -r .reason",
    ),
)
def print_list(
    actor_id: ActorId = None,
    subject_id: SubjectId = None,
    actor: Annotated[
        str | None, filter_option("--actor", callback=storable, metavar="NAME", help="As --actor-id, by name.")
    ] = None,
    subject: Annotated[
        str | None,
        filter_option(
            "--subject", callback=storable, metavar="NAME", help="As --subject-id, by name, also of a deleted account."
        ),
    ] = None,
    row: Annotated[
        str | None, filter_option("--row", metavar="NUMBER", help="The row with this number, such as 3-1042.")
    ] = None,
    action: OfAction = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of events.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="All matching events.")] = False,
    output_format: Annotated[
        Literal["table", "jsonl"],
        typer.Option("--format", help="A table, or one JSON object per line with every field, named as in the API."),
    ] = "table",
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print who did or read what, newest first. Filters combine: an event must match all of them."""
    from chatkeep.cli.work.audit import EventFilters, NamedUsers, list_events

    place = None if row is None else _place(row)
    filters = EventFilters(
        actor_id=actor_id, subject_id=subject_id, action=action, since=since, until=until, place=place
    )
    most = None if everything else limit
    with open_database(database_url, data_dir) as database:
        database.note(Action.AUDIT_READ, reason)
        list_events(database, filters, NamedUsers(actor, subject), most, output_format)


def _place(number: str) -> tuple[int, int]:
    chain, _, seq = number.partition("-")
    if not (chain.isdecimal() and seq.isdecimal() and len(number) < 20):
        raise typer.BadParameter("A row's number is its chain and its place, such as 3-1042.", param_hint="--row")
    return int(chain), int(seq)


@app.command(
    "export",
    short_help="Write whole rows as JSON lines, oldest first.",
    epilog=examples(
        "chatkeep audit export > audit.jsonl",
        "chatkeep audit export --from 2026-01-01 --to 2026-02-01 --reason 'monthly archive' > january.jsonl",
        "chatkeep audit export | head -n 1 | jq -caS 'del(.hash)' | tr -d '\\n' | sha256sum",
        "recomputes a row's hash without Chatkeep",
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
    """Write the trail to standard output, oldest first, one row per line, with every hashed column and the hash. The
    export itself is recorded, too.
    """
    from chatkeep.cli.work.audit import EventFilters, export_events

    filters = EventFilters(actor_id=actor_id, subject_id=subject_id, action=action, since=since, until=until)
    with open_database(database_url, data_dir) as database:
        database.run_on_record(
            lambda connected, audit: export_events(connected, audit, filters, progress=True), reason=reason
        )


@app.command(
    "verify",
    short_help="Prove that no row was changed, removed, added or moved.",
    epilog=examples(
        "chatkeep audit verify",
        "exits with 1 and lists the rows if any was changed",
        "chatkeep audit verify --save /mnt/elsewhere/audit.json",
        "saves where the trail ends; do this regularly, in a place where the database's owner cannot write",
        "chatkeep audit verify --against /mnt/elsewhere/audit.json",
        "also proves that nothing is missing since then: without it, a restored old copy goes unnoticed",
    ),
)
def verify(
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, show_default=False, help="A file that --save wrote."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, show_default=False, help="The file in which to save where the trail ends."
        ),
    ] = None,
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Read the whole trail and report how many rows are unchanged. Needs the service's signing key in
    CHATKEEP_SECRET_KEY. The service may keep running.
    """
    from chatkeep.cli.work.audit import read_checkpoint, verify_trail

    checkpoint = None if against is None else read_checkpoint(against)
    with open_database(database_url, data_dir) as database:
        database.note(Action.AUDIT_VERIFIED, reason)
        whole = verify_trail(database, checkpoint, save)
    if not whole:
        raise typer.Exit(1)


@app.command(
    "seal",
    short_help="Accept the trail as it is now, and seal it with today's key.",
    epilog=examples("chatkeep audit seal --reason 'signing key leaked and was replaced'"),
)
def seal(
    reason: Annotated[
        str,
        typer.Option(
            callback=storable,
            metavar="TEXT",
            show_default=False,
            help="The reason, which is recorded with your account on this machine.",
        ),
    ],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Seal the end of every chain again, for example after the signing key was replaced and the old one was lost. Run
    `chatkeep audit verify` first: rows that somebody else added before are sealed with the rest. That the trail was
    sealed stays on record.
    """
    from chatkeep.cli.work.audit import seal_trail

    with open_database(database_url, data_dir) as database:
        seal_trail(database, reason)
