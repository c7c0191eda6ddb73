"""Servers with TLS and without, and the certificates, of the tests of addresses."""

from collections.abc import AsyncIterator

import pytest

from tests.support.programs import ordinary_folder
from tests.support.tls import Certificates, Server, server


@pytest.fixture(scope="package")
async def certificates() -> AsyncIterator[Certificates]:
    with ordinary_folder() as folder:
        found = Certificates(folder)
        await found.make()
        yield found


@pytest.fixture(scope="package")
async def tls_server(certificates: Certificates) -> AsyncIterator[Server]:
    async with server(certificates, encrypted=True) as found:
        yield found


@pytest.fixture(scope="package")
async def plain_server(certificates: Certificates) -> AsyncIterator[Server]:
    async with server(certificates, encrypted=False) as found:
        yield found
