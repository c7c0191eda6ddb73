"""docs/database-address.md: its addresses are read, and its command encodes a password."""

import asyncio
import subprocess
from urllib.parse import quote

import pytest

from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.parameters import SESSION_ATTRIBUTES, SSL_MODES, VARIABLES
from tests.database.libpq.oracle import Libpq
from tests.docs.claims import runs
from tests.docs.documents import Block, read

DOCUMENT = "docs/database-address.md"
NOT_PARAMETERS = {"chatkeep", "alembic", "psql", "pg_dump", "system"}


@runs(DOCUMENT, "postgresql+asyncpg://")
def test_each_address_is_read_as_libpq_reads_it(block: Block) -> None:
    for line in block.text.splitlines():
        address = DatabaseAddress.parse(line, {})
        assert (address.user, address.database) == ("chatkeep", "chatkeep")
        assert Libpq().parameters(line.replace("+asyncpg", "")) == {"user": "chatkeep"} | dict(address.given)


@runs(DOCUMENT, "getpass")
async def test_the_command_encodes_a_password(block: Block) -> None:
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", block.text], input="p@ss/w:rd%\n", capture_output=True, text=True, check=True,
        start_new_session=True,
    )  # fmt: skip
    assert quote("p@ss/w:rd%", safe="") in done.stdout


def test_every_parameter_that_is_named_exists() -> None:
    words = {each.text.partition("=")[0] for each in read(DOCUMENT).code}
    for word in words:
        if word.isidentifier() and word.islower() and word not in NOT_PARAMETERS:
            assert word in {*VARIABLES, *SSL_MODES, *SESSION_ATTRIBUTES}, word
        if word.startswith("PG"):
            assert word in VARIABLES.values(), word


@pytest.mark.parametrize("mode", SSL_MODES)
def test_every_mode_is_described(mode: str) -> None:
    assert f"`{mode}`" in read(DOCUMENT).text
