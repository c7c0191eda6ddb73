"""`chatkeep token`: what the commands take."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from typing import Annotated
from uuid import UUID

import typer

from chatkeep.accounts.scopes import DEFAULT_SCOPES, MEANINGS, Scope
from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, Username, examples, storable

EXPLAINED = " ".join(f"{scope.value}: {meaning}" for scope, meaning in MEANINGS.items())

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Create, list and revoke access tokens, with which programs use the service in a user's name. A running "
    "service sees the change on the next request.",
)


@app.command(
    "create",
    short_help="Make an access token for a user.",
    epilog=examples(
        "chatkeep token create alice --name 'Open WebUI'",
        "may chat, and ends as late as a token may; standard output is the token alone",
        "chatkeep token create alice --name backup --scope read --days 30",
        "reads and exports the history for 30 days",
        "chatkeep token create root --name console --scope admin --scope account",
    ),
)
def create(
    username: Username,
    name: Annotated[
        str, typer.Option(callback=storable, show_default=False, help="A label, by which the user knows the token.")
    ],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(show_default="chat", help=f"What the token may do; may be given several times. {EXPLAINED}"),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="How long it lasts. Default: as long as a token may."),
    ] = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make an access token for a user, and print it. It is kept nowhere and cannot be shown again. Only an
    administrator's token can have the scope admin.
    """
    from chatkeep.cli.work.tokens import make_token

    with open_database(database_url, data_dir) as database:
        make_token(database, username, name, scope or list(DEFAULT_SCOPES), days=days, reason=reason)


@app.command(
    "list",
    short_help="Print a user's access tokens, newest first.",
    epilog=examples(
        "chatkeep token list alice",
        "tokens from before scopes have all of them",
        "chatkeep token list alice --json | jq -r .id",
    ),
)
def list_tokens(
    username: Username,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a user's access tokens, newest first: what each may do, when it was last used, and when it ends."""
    from chatkeep.cli.work.tokens import print_tokens

    with open_database(database_url, data_dir) as database:
        database.run(lambda connected: print_tokens(connected, username, as_json=as_json))


@app.command(
    "revoke",
    short_help="End one of a user's access tokens.",
    epilog=examples(
        "chatkeep token revoke alice 0198c0de-0000-7000-8000-0000000070ce --reason 'found in a repository'",
        "the id is in `chatkeep token list`",
    ),
)
def revoke(
    username: Username,
    token_id: Annotated[UUID, typer.Argument(metavar="ID", show_default=False, help="The token's id.")],
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """End one of a user's access tokens. `chatkeep user sign-out` ends all of them, and the user's sessions."""
    from chatkeep.cli.work.tokens import revoke_token

    with open_database(database_url, data_dir) as database:
        revoke_token(database, username, token_id, reason=reason)
