"""Fills a running service with conversations, and sees that it kept them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import httpx2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.asynchronous import finished
from service.cli.demo_conversations import DemoConversation
from service.cli.demo_people import Person, Refused, client_for
from service.cli.output import answer, complain, errors, say
from service.errors import ConfigurationError

MOST_FAILURES_SHOWN = 10


def fill(url: str, conversations: Sequence[DemoConversation], *, at_once: int) -> bool:
    """Have each conversation by a user of its own, report what came of it, and return whether all went well.

    Raises:
        ConfigurationError: nothing of ours answers at `url`.
        RegistrationClosed: it takes no new accounts.
    """
    people = finished(_filled(_address(url), conversations, at_once=at_once))
    return _report(people)


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        address = httpx2.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigurationError(f"{url} is not an address such as http://127.0.0.1:8000. Correct --url.")
    return address


async def _filled(url: httpx2.URL, conversations: Sequence[DemoConversation], *, at_once: int) -> list[Person]:
    """Have everybody say everything, then compare everybody's history."""
    tls = httpx2.create_ssl_context()
    async with AsyncExitStack() as stack:
        await _require_service(await stack.enter_async_context(client_for(url, tls)), url)
        people = [Person(await stack.enter_async_context(client_for(url, tls)), each) for each in conversations]
        turns = sum(len(person.conversation.prompts) for person in people)
        with _progress() as progress:
            told = progress.add_task("Talking", total=turns)
            await _each(people, at_once, lambda person: _talk(person, lambda: progress.advance(told)))
            compared = progress.add_task("Reading back", total=len(people))
            await _each(people, at_once, lambda person: _compare(person, lambda: progress.advance(compared)))
    return people


async def _require_service(client: httpx2.AsyncClient, url: httpx2.URL) -> None:
    try:
        found = await client.get("/healthz")
    except httpx2.HTTPError as error:
        raise ConfigurationError(
            f"Nothing answers at {url}. Start the service there with `chatkeep serve --local --migrate`, or name "
            "another place with --url."
        ) from error
    if found.status_code != 200:
        raise ConfigurationError(f"What answers at {url} is not Chatkeep ({found.status_code}). Correct --url.")


async def _each(people: Sequence[Person], at_once: int, work: Callable[[Person], Awaitable[None]]) -> None:
    """Do the work for everybody, so many at a time; what happens to one is noted and stops nobody else."""
    places = asyncio.Semaphore(at_once)

    async def take_place(person: Person) -> None:
        async with places:
            try:
                await work(person)
            except (Refused, httpx2.HTTPError) as error:
                reason = (
                    error.detail if isinstance(error, Refused) else f"the connection failed, {type(error).__name__}"
                )
                person.failures.append(f"{person.name}: {reason}.")

    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(take_place(person))


async def _talk(person: Person, advance: Callable[[], None]) -> None:
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
    answer(f"users     {made} made, {existed} there from an earlier run and left alone")
    answer(f"turns     {sent} sent, {answered} answered")
    answer(f"histories {kept} of {sent} prompts came back byte for byte")
    answer(f"failures  {len(failures)}")
    for failure in failures[:MOST_FAILURES_SHOWN]:
        complain(failure)
    if len(failures) > MOST_FAILURES_SHOWN:
        say(f"and {len(failures) - MOST_FAILURES_SHOWN} more")
    return not failures
