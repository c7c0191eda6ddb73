"""Changes of accounts, as an operator at the database makes them."""

import sys
from typing import Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts import queries
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.usernames import username_key
from chatkeep.accounts.users import change_account, delete_user, sign_out_everywhere
from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer, escape_terminal, print_info
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError, Invalid, NotFound


def disable_account(database: CommandDatabase, username: str, *, reason: str | None) -> None:
    """Keep a user out, and report it.

    Raises:
        NotFound: there is no such user.
        LastAdministrator: nobody would be left to let others in.
    """
    name, changed = _change_on_record(database, username, reason, disabled=True)
    answer(f"{name} is disabled and signed out everywhere." if changed else f"{name} was disabled already.")


def sign_account_out(database: CommandDatabase, username: str, *, reason: str | None) -> None:
    """End every session and access token of a user, and report it. Raises: NotFound."""
    name, sessions, tokens = database.run_on_record(
        lambda connected, audit: _sign_out(connected, audit, username), reason=reason
    )
    answer(f"{name} is signed out everywhere. Sessions ended: {sessions}. Access tokens ended: {tokens}.")


def enable_account(database: CommandDatabase, username: str, *, reason: str | None) -> None:
    """Let a user in again, and report it. Raises: as `disable_account`."""
    name, changed = _change_on_record(database, username, reason, disabled=False)
    answer(f"{name} is enabled and can sign in." if changed else f"{name} was enabled already.")


def give_role(database: CommandDatabase, username: str, role: str, *, reason: str | None) -> None:
    """Give a user a role, and report it. Raises: as `disable_account`."""
    name, changed = _change_on_record(database, username, reason, role=role)
    answer(f"{name} has the role {role} now." if changed else f"{name} had the role {role} already.")


def hold_account(database: CommandDatabase, username: str, *, held: bool, reason: str | None) -> None:
    """Put a user under legal hold or end that, and report it. Raises: NotFound."""
    name, changed = _change_on_record(database, username, reason, legal_hold=held)
    state = "under legal hold" if held else "not under legal hold"
    answer(f"{name} is {state} now." if changed else f"{name} was {state} already: nothing was changed or recorded.")


def delete_account(database: CommandDatabase, username: str, *, reason: str | None, sure: bool) -> None:
    """Delete a user and all their data, and report the number under which the audit trail has it.

    Args:
        sure: do not ask.

    Raises:
        NotFound, LastAdministrator, LegalHold: nothing was deleted.
        ConfigurationError: there is no terminal to ask on.
    """
    user = database.run(lambda connected: _found(connected, username))
    name = escape_terminal(user.username)
    if not sure:
        _require_name_typed(name, user.username)
    receipt = database.run_on_record(lambda connected, audit: _delete(connected, audit, user.id), reason=reason)
    print_info(f"{name} and everything that belonged to the account is deleted. Number in the audit trail:")
    answer(receipt)


def _require_name_typed(shown: str, username: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask on. Add --yes to delete the account and all its data.")
    print_info(f"This deletes {shown} and everything that belongs to the account, at once and for ever.")
    if typer.prompt("Type the username to confirm", err=True).strip() != username:
        raise Invalid("That was another name. Nothing was deleted.")


async def _found(database: Database, username: str) -> AnyRow:
    async with database.transaction() as connection:
        return await require_user_by_name(connection, username)


async def _delete(database: Database, audit: Recorder, user_id: UUID) -> str:
    async with database.transaction() as connection:
        return await delete_user(connection, audit, user_id)


def _change_on_record(database: CommandDatabase, username: str, reason: str | None, **change: Any) -> tuple[str, bool]:
    return database.run_on_record(lambda connected, audit: _change(connected, audit, username, **change), reason=reason)


async def require_user_by_name(connection: AsyncConnection, username: str) -> AnyRow:
    """Return the user.

    Raises:
        NotFound: says how to find the right name.
    """
    user = await queries.user_by_key(connection, username_key(username))
    if user is None:
        raise NotFound(f"There is no user {username}. `chatkeep user list --q` finds users by a part of their name.")
    return user


async def _sign_out(database: Database, audit: Recorder, username: str) -> tuple[str, int, int]:
    async with database.transaction() as connection:
        user = await require_user_by_name(connection, username)
        sessions, tokens = await sign_out_everywhere(connection, audit, user.id)
    return escape_terminal(user.username), sessions, tokens


async def _change(
    database: Database,
    audit: Recorder,
    username: str,
    *,
    role: str | None = None,
    disabled: bool | None = None,
    legal_hold: bool | None = None,
) -> tuple[str, bool]:
    """Change an account; return its name, and whether that made a difference."""
    async with database.transaction() as connection:
        before = await require_user_by_name(connection, username)
        after = await change_account(connection, audit, before.id, role=role, disabled=disabled, legal_hold=legal_hold)
    states = [(each.role, each.disabled, each.legal_hold) for each in (before, after)]
    return escape_terminal(after.username), states[0] != states[1]
