"""Fills a running service with conversations, and sees that it kept them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from yarl import URL

from chatkeep.audit.trail import Recorder
from chatkeep.cli.database import command_database
from chatkeep.cli.http_client import BROKEN_CONNECTION, Client
from chatkeep.cli.run_async import run_async
from chatkeep.cli.running_address import configured_address, running_address
from chatkeep.cli.terminal.output import answer, errors, escape_terminal, print_error, print_info
from chatkeep.cli.work.demo_account import account_to_fill, require_database, token_for
from chatkeep.cli.work.demo_conversations import DemoConversation
from chatkeep.cli.work.demo_people import Person, Refused, demo_conversations_of
from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.database.database import Database
from chatkeep.errors import ConfigurationError, NotAuthenticated

MAX_FAILURES_SHOWN = 10
OTHER_DATABASE = (
    "The service at {url} has another database than this command. Run the command with the service's settings "
    "(CHATKEEP_DATABASE_URL or CHATKEEP_DATA_DIR), name the right service with --url, or use --people."
)


def fill_account(
    settings: Settings,
    url: str | None,
    username: str | None,
    conversations: Sequence[DemoConversation],
    *,
    at_once: int,
) -> bool:
    """Have all conversations by one account, report what came of it, and return whether all went well.

    Args:
        url: None is where the service of this database runs.
        username: None is the first administrator.

    Raises:
        ConfigurationError: nothing of ours answers at `url`, or it has another database than this command.
        NotFound: there is no such account.
    """
    address = _address(url or _address_of_service(settings))
    # Before a database is opened: an embedded one would be started for nothing.
    run_async(_require_service(address))
    require_database(settings)
    with command_database(settings) as database:
        people, account = database.run_on_record(
            lambda connected, audit: _filled_account(connected, audit, username, address, conversations, at_once)
        )
    answer(f"account        {escape_terminal(account)}")
    went_well = _report(people)
    print_info(
        f"Sign in as {escape_terminal(account)} at {address} to see them. `chatkeep user password` sets a new "
        "password, `chatkeep demo-data --remove` removes the conversations."
    )
    return went_well


def fill_with_people(
    settings: Settings, url: str | None, conversations: Sequence[DemoConversation], *, at_once: int
) -> bool:
    """Have each conversation by a user of its own, report what came of it, and return whether all went well.

    Raises:
        ConfigurationError: nothing of ours answers at `url`.
        RegistrationClosed: it takes no new accounts.
    """
    address = _address(url or running_address(settings) or configured_address(settings))
    run_async(_require_service(address))
    return _report(run_async(_filled_people(address, conversations, at_once)))


def _address_of_service(settings: Settings) -> str:
    """Return where the service of this database runs.

    Nothing else is to be sent a token of an administrator: at the port of the settings any program may answer, and it
    could also pass a question on to the real service. A service on an embedded database holds a lock in its folder.

    Raises:
        ConfigurationError: it is not known to run.
    """
    if settings.database_url is not None:
        raise ConfigurationError(
            "Name the service's address, such as --url http://127.0.0.1:8000: it gets an access token, and with a "
            "database server of your own this command cannot tell whether the right service answers."
        )
    require_database(settings)
    found = running_address(settings)
    if found is None:
        raise ConfigurationError(
            f"No service is running on the database in {data_dir(settings)}. Start it with `chatkeep serve --local "
            "--migrate`, or name its address with --url."
        )
    return found


def _address(url: str) -> URL:
    try:
        address = URL(url)
    except ValueError:
        address = URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigurationError(f"{url} is not an address such as http://127.0.0.1:8000. Correct --url.")
    return address


async def _filled_account(
    database: Database,
    audit: Recorder,
    username: str | None,
    url: URL,
    conversations: Sequence[DemoConversation],
    at_once: int,
) -> tuple[list[Person], str]:
    """Return the result of each conversation, and the name of the account."""
    user = await account_to_fill(database, username)
    async with token_for(database, audit, user.id) as token, Client(url, token=token) as client:
        try:
            earlier = await demo_conversations_of(client)
        except NotAuthenticated:
            raise ConfigurationError(OTHER_DATABASE.format(url=url)) from None
        people = [Person(client, each, has_account=True, existed=each.id in earlier) for each in conversations]
        await _fill(people, at_once)
    return people, user.username


async def _filled_people(url: URL, conversations: Sequence[DemoConversation], at_once: int) -> list[Person]:
    async with AsyncExitStack() as stack:
        people = [Person(await stack.enter_async_context(Client(url)), each) for each in conversations]
        await _fill(people, at_once)
    return people


async def _fill(people: Sequence[Person], at_once: int) -> None:
    """Have everybody say everything, then compare everybody's history."""
    turns = sum(len(person.conversation.prompts) for person in people)
    with _progress() as progress:
        told = progress.add_task("Talking", total=turns)
        await _each(people, at_once, lambda person: _talk(person, lambda: progress.advance(told)))
        compared = progress.add_task("Reading back", total=len(people))
        await _each(people, at_once, lambda person: _compare(person, lambda: progress.advance(compared)))


async def _require_service(url: URL) -> None:
    try:
        async with Client(url) as client:
            found = await client.get("/healthz")
    except BROKEN_CONNECTION as error:
        raise ConfigurationError(
            f"Nothing answers at {url}. Start the service there with `chatkeep serve --local --migrate`, or name "
            "another place with --url."
        ) from error
    if found.status_code != 200:
        raise ConfigurationError(f"The server at {url} is not Chatkeep ({found.status_code}). Correct --url.")


async def _each(people: Sequence[Person], at_once: int, work: Callable[[Person], Awaitable[None]]) -> None:
    """Do the work for everybody, so many at a time; what happens to one is noted and stops nobody else."""
    places = asyncio.Semaphore(at_once)

    async def take_place(person: Person) -> None:
        async with places:
            try:
                await work(person)
            except (Refused, *BROKEN_CONNECTION) as error:
                reason = (
                    error.detail if isinstance(error, Refused) else f"the connection failed, {type(error).__name__}"
                )
                person.failures.append(f"{person.name}: {reason}.")

    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(take_place(person))


async def _talk(person: Person, advance: Callable[[], None]) -> None:
    if not person.has_account:
        await person.register()
    if not person.existed:
        await person.begin()
    for number, prompt in enumerate(person.conversation.prompts, start=1):
        if not person.existed:
            await person.say(number, prompt)
        advance()


async def _compare(person: Person, advance: Callable[[], None]) -> None:
    await person.compare()
    advance()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )


def _report(people: Sequence[Person]) -> bool:
    """Print what came of it; return whether all went well."""
    existed = sum(person.existed for person in people)
    sent, answered, kept = (sum(getattr(each, name) for each in people) for name in ("sent", "answered", "kept"))
    failures = [failure for person in people for failure in person.failures]
    made = sum(person.conversation_id is not None for person in people)
    answer(f"conversations  {made} made, {existed} there from an earlier run and left alone")
    answer(f"turns          {sent} sent, {answered} answered")
    answer(f"histories      {kept} of {sent} prompts came back byte for byte")
    answer(f"failures       {len(failures)}")
    for failure in failures[:MAX_FAILURES_SHOWN]:
        print_error(failure)
    if len(failures) > MAX_FAILURES_SHOWN:
        print_info(f"and {len(failures) - MAX_FAILURES_SHOWN} more")
    return not failures
