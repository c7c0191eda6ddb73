"""Real proxies, each an ordinary process in the foreground with a private folder."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.proxies.documented import NAME
from tests.support.parts import required_program

START_SECONDS = 30
# What a distribution's own file has around conf.d; everything that nginx writes goes into its folder.
_NGINX = """\
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{servers}
}}
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the test's name, and its key."""
    certificate, key = folder / "chat.pem", folder / "chat.key"
    command = [required_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@asynccontextmanager
async def nginx_running(folder: Path, servers: str, port: int) -> AsyncIterator[None]:
    """Run nginx with these servers until the block ends."""
    (folder / "nginx.conf").write_text(_NGINX.format(servers=servers), encoding="utf-8")
    command = [required_program("nginx"), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    async with _running(command, folder, port):
        yield


@asynccontextmanager
async def caddy_running(folder: Path, sites: str, port: int) -> AsyncIterator[None]:
    """Run Caddy with these sites until the block ends; nothing of it but the port is open."""
    options = "{\n    admin off\n    auto_https disable_redirects\n    storage file_system " + str(folder) + "\n}\n"
    (folder / "Caddyfile").write_text(options + sites, encoding="utf-8")
    async with _running([required_program("caddy"), "run", "--config", "Caddyfile"], folder, port):
        yield


@asynccontextmanager
async def _running(command: list[str], folder: Path, port: int) -> AsyncIterator[None]:
    output = folder / "output.log"
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):
                assert process.returncode is None, output.read_text()
                await asyncio.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
