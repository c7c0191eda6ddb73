"""A certificate, and a browser that finds the documented name on this machine."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.async_api import Browser

from tests.proxies.documented import NAME
from tests.proxies.servers import certificate
from tests.web.browser import browser_running


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate of the documented name, and its key."""
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not under pytest's own: nginx's workers could not enter that."""
    with TemporaryDirectory(prefix="chatkeep-proxy-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with browser_running(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as browser:
        yield browser
