"""Access tokens, as an operator at the database makes, lists and ends them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from rich.text import Text

from chatkeep.accounts import token_queries
from chatkeep.accounts.accounts import TokenLimits
from chatkeep.accounts.identity import identity_of
from chatkeep.accounts.schemas import Token
from chatkeep.accounts.scopes import ALL_SCOPES, Scope, in_order
from chatkeep.accounts.tokens import create_token
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer, answer_json, escape_terminal, print_info
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.cli.terminal.times import format_minute
from chatkeep.cli.work.pages import pages
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, NotFound

COLUMNS = (
    Column("ID", widest=36),
    Column("NAME", style="bold"),
    Column("SCOPES"),
    Column("LAST USED (UTC)", leave_out=2),
    Column("ENDS (UTC)", leave_out=1),
    Column("CREATED (UTC)", leave_out=3),
)


def make_token(
    database: CommandDatabase,
    username: str,
    name: str,
    scopes: Collection[Scope],
    *,
    days: int | None,
    reason: str | None,
) -> None:
    """Make a token and print it.

    Raises:
        NotFound: there is no such user.
        Invalid, Forbidden, GuestNotAllowed, TooManyTokens: as `create_token`, or the user is disabled.
    """
    settings = database.settings
    made, secret = database.run_on_record(
        lambda connected, audit: _create(connected, audit, settings, username, name, scopes, days), reason=reason
    )
    print_info(f"Made a token that may {', '.join(made.scopes)} until {format_minute(made.expires_at)} UTC.")
    answer(secret)


async def print_tokens(database: Database, username: str, *, as_json: bool) -> None:
    """Print a user's tokens, newest first. Raises: NotFound."""
    async with database.transaction() as connection:
        user = await require_user_by_name(connection, username)

    async def fetch(after: UUID | None, size: int) -> Sequence[Any]:
        async with database.transaction() as connection:
            return await token_queries.tokens_of(connection, user.id, after=after, limit=size)

    table, printed = Table(COLUMNS), 0
    async for rows in pages(fetch, attrgetter("id"), None):
        printed += len(rows)
        if as_json:
            for row in rows:
                answer_json(Token.model_validate(row).model_dump_json())
        else:
            table.write([_cells(row) for row in rows])
    if not printed:
        print_info("This user has no access tokens.")


def revoke_token(database: CommandDatabase, username: str, token_id: UUID, *, reason: str | None) -> None:
    """End a token, and report it. Raises: NotFound."""
    name = database.run_on_record(lambda connected, audit: _revoke(connected, audit, username, token_id), reason=reason)
    answer(f"The token of {name} is revoked.")


async def _create(
    database: Database,
    audit: Recorder,
    settings: Settings,
    username: str,
    name: str,
    scopes: Collection[Scope],
    days: int | None,
) -> tuple[Any, str]:
    async with database.transaction() as connection:
        user = await require_user_by_name(connection, username)
    if user.disabled:
        raise Invalid(f"{escape_terminal(user.username)} is disabled: the token would open nothing.")
    now = utc_now()
    return await create_token(
        database,
        audit,
        # Neither a session nor a token asks: the operator stands in for both.
        replace(identity_of(user), by_proxy=True),
        name,
        None if days is None else now + timedelta(days=days),
        scopes,
        now=now,
        limits=TokenLimits(settings.max_access_tokens, settings.access_token_max_seconds),
    )


async def _revoke(database: Database, audit: Recorder, username: str, token_id: UUID) -> str:
    async with database.transaction() as connection:
        user = await require_user_by_name(connection, username)
        if not await token_queries.delete_token(connection, user.id, token_id):
            raise NotFound(f"{escape_terminal(user.username)} has no such token. `chatkeep token list` prints them.")
        await audit.record(connection, Action.TOKEN_DELETED, user.id, token_id=str(token_id))
    return escape_terminal(user.username)


def _cells(row: Any) -> list[str | Text]:
    everything = ALL_SCOPES.issubset(row.scopes)
    return [
        str(row.id),
        row.name,
        Text("all", style="yellow") if everything else ", ".join(in_order(row.scopes)),
        format_minute(row.last_used_at),
        format_minute(row.expires_at),
        format_minute(row.created_at),
    ]
