"""The real nginx, with a configuration that a document shows, in a folder and on ports of a test's own."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.web.browsing import REQUIRED

_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


def nginx_program() -> str:
    """Return nginx; without it, skip, or fail where everything has to be there."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        why = "nginx is not installed; on Debian: apt-get install nginx-light"
        if os.environ.get(REQUIRED):
            pytest.fail(why)
        pytest.skip(why)
    return program


def configuration(folder: Path, servers: str) -> str:
    """Return a whole configuration with these servers in it, which writes nowhere but in `folder`."""
    return _AROUND.format(folder=folder, servers=servers)


@asynccontextmanager
async def nginx(folder: Path, servers: str, *, port: int) -> AsyncIterator[str]:
    """Run nginx with these servers until the block ends; yield the address of the one at `port`."""
    program, file = nginx_program(), folder / "nginx.conf"
    file.write_text(configuration(folder, servers))
    with (folder / "nginx.err").open("w") as said:
        process = await asyncio.create_subprocess_exec(program, "-p", folder, "-c", file, stderr=said)
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):
                assert process.returncode is None, (folder / "nginx.err").read_text()
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
