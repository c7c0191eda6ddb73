"""`chatkeep user`: what the commands take."""

# ruff: noqa: PLC0415  the database's libraries are loaded when a command runs: help and completion answer at once

from typing import Annotated, Literal

import typer

from chatkeep.audit.actions import Action
from chatkeep.cli.lazy_database import open_database
from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, Reason, ReasonToRecord, Username, examples, storable
from chatkeep.cli.terminal.passwords import PANEL, AtRandom, FromStdin, one_of

Role = Literal["user", "admin"]
ServiceUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        callback=storable,
        metavar="URL",
        show_default=False,
        help="The address at which users open the service, for links. Default: where it runs on this machine.",
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Create, invite, list, disable, promote and delete users; set passwords. Works on the database, whether or "
    "not the service runs; a running service sees the change on the user's next request.",
)


@app.command(
    "create",
    short_help="Make an account.",
    epilog=examples(
        "chatkeep user create alice --role admin",
        "asks for the password, twice",
        "chatkeep user create bob --random-password --email bob@example.org",
        "prints a password to hand to Bob",
        "chatkeep user create carol --password-stdin < carol.password",
        "chatkeep user create 太郎 --password-hash '$2b$12$…'",
        "moves an account from another system with its password",
    ),
)
def create(
    username: Username,
    role: Annotated[Role, typer.Option(help="An admin sees everybody's conversations.")] = "user",
    email: Annotated[str | None, typer.Option(callback=storable, show_default=False, help="E-mail address.")] = None,
    password_stdin: FromStdin = False,
    random_password: AtRandom = False,
    password_hash: Annotated[
        str | None,
        typer.Option(
            callback=storable,
            metavar="HASH",
            show_default=False,
            rich_help_panel=PANEL,
            help="A hash that another system made: argon2, bcrypt, pbkdf2_sha256 or scrypt. - reads it from standard "
            "input.",
        ),
    ] = None,
    allow_lookalike: Annotated[
        bool, typer.Option("--allow-lookalike", help="Also where the name looks like another user's, as 1 and l do.")
    ] = False,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make an account, even if registration is closed. Without a password option it asks for the password, without
    echo. No option takes the password itself, because everybody on the machine can see a command's arguments.
    """
    one_of(password_stdin=password_stdin, random_password=random_password, password_hash=password_hash is not None)
    from chatkeep.cli.work.credentials import NewAccount, create_account

    new = NewAccount(username, role, email, may_look_alike=allow_lookalike)
    with open_database(database_url, data_dir) as database:
        create_account(
            database,
            new,
            reason=reason,
            from_stdin=password_stdin,
            at_random=random_password,
            password_hash=password_hash,
        )


@app.command(
    "list",
    short_help="Print users, newest first.",
    epilog=examples(
        "chatkeep user list --role admin",
        "chatkeep user list --q 山田 --enabled",
        "chatkeep user list --json | jq -r .username",
        "one JSON object a line, with the field names of the HTTP API",
    ),
)
def list_users(
    q: Annotated[
        str | None,
        typer.Option(
            "--q",
            callback=storable,
            metavar="TEXT",
            show_default=False,
            help="Only those with this in their username, e-mail or display name.",
        ),
    ] = None,
    role: Annotated[Role | None, typer.Option(show_default=False, help="Only those of this role.")] = None,
    disabled: Annotated[
        bool | None,
        typer.Option("--disabled/--enabled", show_default=False, help="Only disabled users, or only enabled ones."),
    ] = None,
    held: Annotated[bool, typer.Option("--held", help="Only users under legal hold.")] = False,
    guests: Annotated[bool, typer.Option("--guests", help="Only guests.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Maximum number of users. Default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    reason: ReasonToRecord = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print users with their figures, newest first. Filters combine: a user must match all of them."""
    from chatkeep.cli.work.user_list import UserFilters, print_users

    filters = UserFilters(q=q, role=role, disabled=disabled, held=held or None, guest=guests or None)
    with open_database(database_url, data_dir) as database:
        database.note(Action.USERS_LISTED, reason)
        database.run(lambda connected: print_users(connected, filters, limit, as_json=as_json))


@app.command(
    "password",
    short_help="Set a user's password, and sign the user out everywhere.",
    epilog=examples(
        "chatkeep user password alice",
        "asks for the new password, twice",
        "chatkeep user password alice --random-password",
        "chatkeep user password alice --link --url https://chat.example.org",
        "prints a link by which Alice sets it: once, and for a day",
    ),
)
def password(
    username: Username,
    password_stdin: FromStdin = False,
    random_password: AtRandom = False,
    link: Annotated[
        bool,
        typer.Option(
            "--link",
            rich_help_panel=PANEL,
            help="Print a link by which the user sets it, once and for a day. The old password works until then.",
        ),
    ] = False,
    url: ServiceUrl = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Set a user's password. Every session and every access token of the user ends. Without a password option it asks
    for the password, without echo.
    """
    one_of(password_stdin=password_stdin, random_password=random_password, link=link)
    if link:
        from chatkeep.cli.work.links import make_reset_link

        with open_database(database_url, data_dir) as database:
            make_reset_link(database, username, reason=reason, url=url)
        return
    from chatkeep.cli.work.credentials import change_password

    with open_database(database_url, data_dir) as database:
        change_password(database, username, reason=reason, from_stdin=password_stdin, at_random=random_password)


@app.command(
    "invite",
    short_help="Make an account, and a link by which its user sets the password.",
    epilog=examples(
        "chatkeep user invite bob --email bob@example.org --url https://chat.example.org",
        "prints a link to hand to Bob",
    ),
)
def invite(
    username: Username,
    role: Annotated[Role, typer.Option(help="An admin sees everybody's conversations.")] = "user",
    email: Annotated[str | None, typer.Option(callback=storable, show_default=False, help="E-mail address.")] = None,
    allow_lookalike: Annotated[
        bool, typer.Option("--allow-lookalike", help="Also where the name looks like another user's, as 1 and l do.")
    ] = False,
    url: ServiceUrl = None,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make an account without a password, even if registration is closed, and print a link that sets one. The link
    works once, and for a day; `chatkeep user password --link` makes another one.
    """
    from chatkeep.cli.work.links import NewAccount, invite_user

    new = NewAccount(username, role, email, may_look_alike=allow_lookalike)
    with open_database(database_url, data_dir) as database:
        invite_user(database, new, reason=reason, url=url)


@app.command(
    "delete",
    short_help="Delete a user and all their data.",
    epilog=examples(
        "chatkeep user delete bob --reason 'asked for erasure'",
        "asks for the name once more, and prints the number of the row in the audit trail",
        "chatkeep audit list --row 3-1042",
        "shows that row later",
    ),
)
def delete(
    username: Username,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Delete a user, with every conversation, file, session and token. Nothing can bring them back but a backup. A user
    under legal hold is not deleted, nor is the last administrator.
    """
    from chatkeep.cli.work.users import delete_account

    with open_database(database_url, data_dir) as database:
        delete_account(database, username, reason=reason, sure=yes)


@app.command(
    "disable",
    short_help="Keep a user out without deleting anything.",
    epilog=examples("chatkeep user disable bob --reason 'left the company'"),
)
def disable(
    username: Username, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Sign a user out everywhere, and refuse sign-ins until `chatkeep user enable`. Conversations stay."""
    from chatkeep.cli.work.users import disable_account

    with open_database(database_url, data_dir) as database:
        disable_account(database, username, reason=reason)


@app.command(
    "sign-out",
    short_help="End a user's sessions and access tokens.",
    epilog=examples("chatkeep user sign-out bob --reason 'lost a laptop'"),
)
def sign_out(
    username: Username, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Sign a user out everywhere: every session and every access token ends. The password stays valid."""
    from chatkeep.cli.work.users import sign_account_out

    with open_database(database_url, data_dir) as database:
        sign_account_out(database, username, reason=reason)


@app.command("enable", short_help="Let a disabled user in again.", epilog=examples("chatkeep user enable bob"))
def enable(
    username: Username, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Let a disabled user sign in again."""
    from chatkeep.cli.work.users import enable_account

    with open_database(database_url, data_dir) as database:
        enable_account(database, username, reason=reason)


@app.command(
    "role",
    short_help="Make a user an administrator, or no longer one.",
    epilog=examples("chatkeep user role alice admin", "chatkeep user role alice user"),
)
def role(
    username: Username,
    new_role: Annotated[Role, typer.Argument(metavar="user|admin", show_default=False, help="The new role.")],
    reason: Reason = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Change a user's role, from the next request on. The last administrator who can sign in cannot be demoted."""
    from chatkeep.cli.work.users import give_role

    with open_database(database_url, data_dir) as database:
        give_role(database, username, new_role, reason=reason)


@app.command(
    "hold",
    short_help="Put a user under legal hold: nothing is deleted.",
    epilog=examples("chatkeep user hold alice --reason 'case 4711'"),
)
def hold(username: Username, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Put a user under legal hold. Until `chatkeep user release`, neither the user nor an administrator can delete the
    account or one of its conversations, and retention skips them.
    """
    from chatkeep.cli.work.users import hold_account

    with open_database(database_url, data_dir) as database:
        hold_account(database, username, held=True, reason=reason)


@app.command("release", short_help="End a user's legal hold.", epilog=examples("chatkeep user release alice"))
def release(
    username: Username, reason: Reason = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """End a user's legal hold. The next run of retention deletes what is due by then."""
    from chatkeep.cli.work.users import hold_account

    with open_database(database_url, data_dir) as database:
        hold_account(database, username, held=False, reason=reason)
