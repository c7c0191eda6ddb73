"""The ground of all tests: real PostgreSQL and real HTTP; only the language model's weights are a stand-in."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial, wraps
from inspect import iscoroutinefunction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings

from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.database import migrations
from tests.support import statements
from tests.support.databases import SERVER_URL, create_database, drop_database, name_of, server_address
from tests.support.memory import quick_folder
from tests.support.patience import patience
from tests.support.programs import ordinary_folder
from tests.support.running_service import RunningService, running
from tests.support.tls import Certificates, Server, server

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# Longer than any test takes on any machine: one that waits for ever fails, and says where it waits.
MAX_TEST_SECONDS = 300


def pytest_configure(config: pytest.Config) -> None:
    if folder := os.environ.get(statements.FOLDER):
        config.pluginmanager.register(statements.Recorder(Path(folder)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(SERVER_URL):
        keep_those_on_the_server(config, items)
    if (wanted := statements.chosen()) is not None:
        keep(config, items, lambda item: item.nodeid in wanted)
    for item in items:
        if isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.obj = ended_in_time(item.obj)


def pytest_collection_finish() -> None:
    """Leave what was loaded out of every later search for garbage: thousands of tests stay to the end."""
    gc.collect()
    gc.freeze()


def keep_those_on_the_server(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that ask no database, or start one of their own: on any server they are the same."""
    keep(config, items, lambda item: "server_url" in getattr(item, "fixturenames", ()))


def keep(config: pytest.Config, items: list[pytest.Item], wanted: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = filter(wanted, items)


def ended_in_time(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(test)
    async def run(*arguments: Any, **fixtures: Any) -> None:
        async with asyncio.timeout(MAX_TEST_SECONDS):
            await test(*arguments, **fixtures)

    return run


@pytest.fixture(scope="session", autouse=True)
def light_hashes() -> Iterator[None]:
    """Have services in the tests' own process hash passwords with little work, which half of a registration's time is.

    Those of `tests/accounts`, and those that are processes of their own, hash as everywhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatkeep.app.parts.PasswordHasher", partial(PasswordHasher, memory_kib=8, passes=1))
        yield


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A database server: the embedded one, or the one that CHATKEEP_TEST_SERVER_URL names."""
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-", dir=quick_folder()) as folder, server_address(Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
async def template(server_url: str) -> AsyncIterator[str]:
    """The name of a migrated, empty database."""
    url = await create_database(server_url)
    await asyncio.to_thread(migrations.upgrade, url)
    yield name_of(url)
    await drop_database(server_url, url)


@pytest.fixture
async def database_url(server_url: str, template: str) -> AsyncIterator[str]:
    """A migrated, empty database of the test's own."""
    url = await create_database(server_url, template)
    yield url
    await drop_database(server_url, url)


@pytest.fixture(scope="module")
async def shared_database_url(server_url: str, template: str) -> AsyncIterator[str]:
    """A migrated database that the tests of one file share."""
    url = await create_database(server_url, template)
    yield url
    await drop_database(server_url, url)


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A running service that the tests of one file share; each test registers users of its own."""
    with patience():
        async with running(shared_database_url) as service:
            yield service


@pytest.fixture(scope="session")
async def certificates() -> AsyncIterator[Certificates]:
    with ordinary_folder() as folder:
        found = Certificates(folder)
        await found.make()
        yield found


@pytest.fixture(scope="session")
async def tls_server(certificates: Certificates) -> AsyncIterator[Server]:
    """A server with TLS."""
    async with server(certificates, encrypted=True) as found:
        yield found


@pytest.fixture(scope="session")
async def plain_server(certificates: Certificates) -> AsyncIterator[Server]:
    """A server without TLS."""
    async with server(certificates, encrypted=False) as found:
        yield found
