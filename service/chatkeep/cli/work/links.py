"""Links that set a password, as an operator at the database makes them."""

from chatkeep.accounts.password_links import NewLink, create_link, invite
from chatkeep.accounts.registration import NewAccount
from chatkeep.accounts.usernames import require_username
from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import CommandDatabase
from chatkeep.cli.running_address import configured_address, running_address
from chatkeep.cli.terminal.output import answer, escape_terminal, print_info
from chatkeep.cli.work.credentials import require_email, require_free
from chatkeep.cli.work.users import require_user_by_name
from chatkeep.clock import utc_now
from chatkeep.database.database import Database

__all__ = ["NewAccount", "invite_user", "make_reset_link"]

HANDED = "Hand this link over. It sets the password once, until {until} UTC, and is not shown again."


def invite_user(database: CommandDatabase, new: NewAccount, *, reason: str | None, url: str | None) -> None:
    """Make an account without a password, and print a link that sets one.

    Raises:
        Invalid, UsernameTaken: say what to change.
    """
    require_email(new.email)
    require_username(new.username)
    database.run(lambda connected: require_free(connected, new))
    link = database.run_on_record(lambda connected, audit: _invite(connected, audit, new), reason=reason)
    print_info(escape_terminal(f"Created {new.username}, role {new.role}."))
    _print(database, link, url)


def make_reset_link(database: CommandDatabase, username: str, *, reason: str | None, url: str | None) -> None:
    """Print a link by which a user sets a new password. Raises: NotFound, IsGuest."""
    link = database.run_on_record(lambda connected, audit: _reset(connected, audit, username), reason=reason)
    _print(database, link, url)


async def _invite(database: Database, audit: Recorder, new: NewAccount) -> NewLink:
    async with database.transaction() as connection:
        _, link = await invite(connection, audit, new, utc_now())
    return link


async def _reset(database: Database, audit: Recorder, username: str) -> NewLink:
    async with database.transaction() as connection:
        user = await require_user_by_name(connection, username)
        return await create_link(connection, audit, user.id, "reset", utc_now())


def _print(database: CommandDatabase, link: NewLink, url: str | None) -> None:
    """Print the link alone on standard output, so that a script can take it."""
    settings = database.settings
    address = url or running_address(settings) or configured_address(settings) + settings.root_path
    print_info(HANDED.format(until=f"{link.expires_at:%Y-%m-%d %H:%M}"))
    answer(address.rstrip("/") + link.path)
