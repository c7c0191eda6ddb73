"""New accounts and new passwords, as an operator at the database makes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import TypeAdapter, ValidationError

from chatkeep.accounts import queries
from chatkeep.accounts.names import lookalike_of
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.registration import NewAccount, create_user, create_user_with_hash
from chatkeep.accounts.sign_in import set_password
from chatkeep.accounts.usernames import require_username, username_key
from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.terminal.output import answer, escape_terminal, print_info
from chatkeep.cli.terminal.passwords import known_hash, new_password
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from chatkeep.errors import Invalid, UsernameTaken

__all__ = ["NewAccount", "change_password", "create_account"]


def create_account(
    database: CommandDatabase,
    new: NewAccount,
    *,
    reason: str | None,
    from_stdin: bool,
    at_random: bool,
    password_hash: str | None,
) -> None:
    """Make an account and report it. Whether the name is free is said before a password is asked for.

    Args:
        reason: why; it is put on record, as of every act here.
        from_stdin, at_random: where the password comes from, see `new_password`.
        password_hash: the password as another system keeps it, in place of a password.

    Raises:
        Invalid, UsernameTaken, WeakPassword: say what to change.
    """
    require_email(new.email)
    require_username(new.username)
    database.run(lambda connected: require_free(connected, new))
    if password_hash is not None:
        kept = known_hash(password_hash)
        database.run_on_record(lambda connected, audit: _keep(connected, audit, new, kept), reason=reason)
        secret = None
    else:
        secret = new_password(from_stdin=from_stdin, at_random=at_random)
        database.run_on_record(lambda connected, audit: _create(connected, audit, new, secret), reason=reason)
    _report(f"Created {new.username}, role {new.role}.", secret if at_random else None)


def change_password(
    database: CommandDatabase, username: str, *, reason: str | None, from_stdin: bool, at_random: bool
) -> None:
    """Set a password, end every session and token of the user, and report it.

    Raises:
        NotFound, WeakPassword, Invalid: say what to change.
    """
    user = database.run(lambda connected: _user(connected, username))
    secret = new_password(from_stdin=from_stdin, at_random=at_random)
    database.run_on_record(
        lambda connected, audit: _set_password(connected, audit, user.username, secret), reason=reason
    )
    _report(
        f"{user.username} has a new password; every session and token of the account has ended.",
        secret if at_random else None,
    )
    if user.disabled:
        print_info(
            f"The account is disabled: `chatkeep user enable {escape_terminal(user.username)}` lets the user in again."
        )


def _report(sentence: str, secret: str | None) -> None:
    """Say what was done; a random password has standard output for itself, so that a script can take it."""
    if secret is None:
        answer(escape_terminal(sentence))
    else:
        print_info(escape_terminal(sentence))
        answer(secret)


def require_email(email: str | None) -> None:
    """Raises: Invalid: it is not an e-mail address."""
    if email is not None:
        from chatkeep.accounts.schemas import Email  # noqa: PLC0415  loads FastAPI, for which others need not wait

        try:
            TypeAdapter(Email).validate_python(email)
        except ValidationError:
            raise Invalid(f"{email} is not an e-mail address.") from None


async def require_free(database: Database, new: NewAccount) -> None:
    """Raises: UsernameTaken: says whose the name is, or whose it looks like."""
    async with database.transaction() as connection:
        user = await queries.user_by_key(connection, username_key(new.username))
        other = None if new.may_look_alike else await lookalike_of(connection, new.username)
    if user is not None:
        raise UsernameTaken(
            f"There is a user {user.username} already. `chatkeep user password {user.username}` sets a new password."
        )
    if other is not None:
        raise UsernameTaken(
            f"The name {new.username} looks like {other.username}, who is another user. Choose another name, or add "
            "--allow-lookalike."
        )


async def _create(database: Database, audit: Recorder, new: NewAccount, password: str) -> None:
    with _hasher() as hasher:
        await create_user(database, hasher, audit, new, password, utc_now())


async def _keep(database: Database, audit: Recorder, new: NewAccount, password_hash: str) -> None:
    await create_user_with_hash(database, audit, new, password_hash, utc_now())


async def _user(database: Database, username: str) -> AnyRow:
    async with database.transaction() as connection:
        return await require_user_by_name(connection, username)


async def _set_password(database: Database, audit: Recorder, username: str, password: str) -> None:
    with _hasher() as hasher:
        await set_password(database, hasher, audit, username, password)


@contextmanager
def _hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher()
    try:
        yield hasher
    finally:
        hasher.close()
