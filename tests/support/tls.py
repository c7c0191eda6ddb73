"""A PostgreSQL server with TLS, and the certificates that it and its clients need, made for the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.support.parts import required_program
from tests.support.programs import free_port, ordinary_folder, ran, running_program

KEY_PASSWORD = "key's own Zq7Jx"
PASSWORD = "p@ss/w:rd?#%&'\\ é"

# As whom, and how, one gets in: a user of each kind.
ACCESS = """
local all all trust
hostnossl all tls_only all reject
hostssl all tls_only all scram-sha-256
hostssl all plain_only all reject
host all plain_only all trust
hostssl all certified all cert
hostnossl all certified all reject
host all clear all password
host all all all trust
"""
ROLES = f"""
CREATE ROLE tls_only LOGIN CREATEDB PASSWORD $q${PASSWORD}$q$;
CREATE ROLE plain_only LOGIN;
CREATE ROLE certified LOGIN CREATEDB;
CREATE ROLE clear LOGIN PASSWORD $q${PASSWORD}$q$;
"""


class Certificates:
    """Files of certificates in a folder: `ca.crt` is trusted, `other.crt` is another authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> str:
        return str(self.folder / name)

    async def make(self) -> None:
        """Make authorities, the server's certificate for `localhost`, a client's, and a list of revoked ones."""
        for authority in ("ca", "other"):
            await self._request(authority, authority, "-x509", "-days", "2", "-out", self.path(f"{authority}.crt"))
        await self._certificate("server", "localhost", "subjectAltName=DNS:localhost")
        await self._certificate("client", "certified", "extendedKeyUsage=clientAuth")
        encrypted = ("-aes256", "-passout", f"pass:{KEY_PASSWORD}", "-out", self.path("locked.key"))
        await self._openssl("pkey", "-in", self.path("client.key"), *encrypted)
        await self._revoked("none.crl")
        await self._openssl("ca", "-config", self.path("ca.conf"), "-revoke", self.path("server.crt"))
        await self._revoked("server.crl")

    async def _request(self, name: str, common_name: str, *options: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key"))
        await self._openssl("req", *key, "-subj", f"/CN={common_name}", *options)

    async def _certificate(self, name: str, common_name: str, extension: str) -> None:
        request, extensions = self.path(f"{name}.csr"), self.folder / f"{name}.ext"
        extensions.write_text(extension)
        await self._request(name, common_name, "-out", request)
        by = ("-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", "2")
        await self._openssl("x509", "-req", "-in", request, *by, "-extfile", str(extensions),
                            "-out", self.path(f"{name}.crt"))  # fmt: skip

    async def _revoked(self, name: str) -> None:
        config = self.folder / "ca.conf"
        if not config.exists():
            (self.folder / "index.txt").touch()
            config.write_text(
                f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.path('index.txt')}\ncertificate={self.path('ca.crt')}\n"
                f"private_key={self.path('ca.key')}\ndefault_md=sha256\ndefault_crl_days=2\n"
            )
        await self._openssl("ca", "-config", str(config), "-gencrl", "-out", self.path(name))

    async def _openssl(self, *arguments: str) -> None:
        await ran(required_program("openssl"), *arguments)


@dataclass(frozen=True)
class Server:
    """A server on this machine, with TLS or without.

    Args:
        folder: of its socket.
    """

    port: int
    folder: Path
    certificates: Certificates

    def url(self, user: str = "postgres", host: str = "localhost", **parameters: object) -> str:
        """Return the address of the database `postgres` there."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{user}@{host}:{self.port}/postgres?{query}"


@asynccontextmanager
async def server(certificates: Certificates, *, encrypted: bool) -> AsyncIterator[Server]:
    """Run a server until the block ends."""
    postgres = required_program("postgres")
    with ordinary_folder() as folder:
        data, port = folder / "data", free_port()
        own = ("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        await ran(required_program("initdb"), "--pgdata", data, *own)
        (data / "pg_hba.conf").write_text(ACCESS)
        settings = {
            "port": port,
            "listen_addresses": "localhost",
            "unix_socket_directories": folder,
            "shared_buffers": "32MB",
            "fsync": "on",
            **({"ssl": "on", **_files(certificates)} if encrypted else {}),
        }
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        async with running_program(postgres, "-D", data, log=folder / "log") as process:
            await _make_roles(folder, port, process)
            yield Server(port, folder, certificates)
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await process.wait()


def _files(certificates: Certificates) -> dict[str, str]:
    names = {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt"}
    return {setting: certificates.path(name) for setting, name in names.items()}


async def _make_roles(folder: Path, port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(host=str(folder), port=port, user="postgres", ssl=False, timeout=10)
                break
            except (OSError, asyncpg.PostgresError):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.05)
    await connection.execute(ROLES)
    await connection.close()
