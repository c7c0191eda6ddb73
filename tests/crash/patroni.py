"""A real Patroni: three PostgreSQL servers and an etcd on this machine, whose primary is killed."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import psutil

from tests.database.postgres.data_folders import processes_below
from tests.support.parts import required_program
from tests.support.programs import free_port, listens, ordinary_folder, running_program

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"
PASSWORD = "a passw0rd"
NAMES = ("one", "two", "three")
START_SECONDS = 120
# The shortest that Patroni takes: as long after its last sign of life a primary counts as dead.
TTL_SECONDS = 20


@dataclass
class Node:
    """A PostgreSQL and the Patroni that looks after it, in a folder of their own."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    _patroni: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        program, settings = required_program("patroni"), self.folder / "patroni.json"
        log = self.folder / "log"
        await self._patroni.enter_async_context(running_program(program, settings, log=log))

    async def kill(self, *, whole: bool) -> float:
        """Kill the server, and Patroni first where `whole`, as if the machine had died; return when that was."""
        at = time.monotonic()
        if whole:
            await self._patroni.aclose()
        for _ in range(3):  # the first process may have made another one in the meantime
            for process in sorted(processes_below(self.folder), key=lambda each: each.pid):
                with suppress(psutil.NoSuchProcess):  # it ended by itself a moment ago
                    if "postgres" in process.name():
                        process.kill()
        return at

    async def stop(self) -> None:
        await self.kill(whole=True)

    async def takes_changes(self) -> bool:
        """Whether it is a primary."""
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            connection = await asyncpg.connect(self.url("postgres", "postgres"), timeout=2)
            try:
                return not await connection.fetchval("SELECT pg_is_in_recovery()")
            finally:
                connection.terminate()
        return False

    async def has_database(self) -> None:
        """Wait until the service's database is there: a standby without it refuses, and no other host is then tried."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    await (await asyncpg.connect(self.url("chatkeep", "chatkeep"), timeout=2)).close()
                    return
                await asyncio.sleep(0.1)

    def url(self, user: str, database: str) -> str:
        return f"postgresql://{user}:{quote(PASSWORD)}@127.0.0.1:{self.port}/{database}"


@dataclass
class Patroni:
    """The nodes of one cluster, in synchronous mode."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """The address for the service, of docs/scaling.md: all servers; it takes the one that takes changes."""
        (address,) = re.findall(r"'(postgresql://\S+&target_session_attrs=read-write)'", DOCUMENT.read_text())
        hosts, ports = ",".join("127.0.0.1" for _ in self.nodes), ",".join(str(each.port) for each in self.nodes)
        for written, real in (
            (":…@", f":{quote(PASSWORD)}@"),
            ("host=db1,db2,db3", f"host={hosts}"),
            ("port=5432,5432,5432", f"port={ports}"),
        ):
            assert written in address
            address = address.replace(written, real)
        return str(address)

    async def primary(self, *, other_than: Node | None = None) -> Node:
        """Wait for a primary, and return it."""
        async with asyncio.timeout(START_SECONDS):
            while True:
                for each in self.nodes:
                    if each is not other_than and await each.takes_changes():
                        return each
                await asyncio.sleep(0.02)

    async def whole(self) -> None:
        """Wait until every node is there, and one of them is a synchronous standby."""
        async with asyncio.timeout(START_SECONDS):
            while sorted(await self._roles()) != ["leader", "replica", "sync_standby"]:
                await asyncio.sleep(0.2)

    async def _roles(self) -> list[str]:
        async with httpx2.AsyncClient(timeout=2) as client:
            for node in self.nodes:
                with suppress(httpx2.HTTPError, json.JSONDecodeError):
                    found = (await client.get(f"http://127.0.0.1:{node.api_port}/cluster")).json()
                    return [each["role"] for each in found["members"] if each["state"] in ("running", "streaming")]
        return []


@asynccontextmanager
async def patroni() -> AsyncIterator[Patroni]:
    """Run a cluster with a database for the service until the block ends."""
    async with AsyncExitStack() as stack:
        folders = [stack.enter_context(ordinary_folder()) for _ in (*NAMES, "etcd")]
        etcd = await stack.enter_async_context(_etcd(folders.pop()))
        cluster = Patroni([Node(name, folder) for name, folder in zip(NAMES, folders, strict=True)])
        for node in cluster.nodes:
            settings = node.folder / "patroni.json"
            settings.write_text(json.dumps(_settings(node, etcd)))
            settings.chmod(0o644)
            stack.push_async_callback(node.stop)
            await node.start()
        primary = await cluster.primary()
        await cluster.whole()
        connection = await asyncpg.connect(primary.url("postgres", "postgres"))
        await connection.execute(f"CREATE ROLE chatkeep LOGIN PASSWORD '{PASSWORD}'")
        await connection.execute("CREATE DATABASE chatkeep OWNER chatkeep TEMPLATE template0 ENCODING 'UTF8'")
        await connection.close()
        for node in cluster.nodes:
            await node.has_database()
        yield cluster


@asynccontextmanager
async def _etcd(folder: Path) -> AsyncIterator[int]:
    client, peer = free_port(), free_port()
    peers = f"http://127.0.0.1:{peer}"
    command = (
        *(required_program("etcd"), "--name", "only", "--data-dir", folder / "data"),
        *(
            "--listen-client-urls",
            f"http://127.0.0.1:{client}",
            "--advertise-client-urls",
            f"http://127.0.0.1:{client}",
        ),
        *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"only={peers}"),
    )
    async with running_program(*command, log=folder / "log"):
        await listens(client)
        yield client


def _settings(node: Node, etcd: int) -> dict[str, Any]:
    """Return what Patroni is told; JSON is YAML, too."""
    postgres = Path(required_program("postgres")).resolve().parent
    users = {name: {"username": name, "password": PASSWORD} for name in ("postgres", "replicator")}
    return {
        "scope": "chatkeep",
        "name": node.name,
        "restapi": {"listen": f"127.0.0.1:{node.api_port}", "connect_address": f"127.0.0.1:{node.api_port}"},
        "etcd3": {"host": f"127.0.0.1:{etcd}"},
        "bootstrap": {
            "dcs": {
                "ttl": TTL_SECONDS,
                "loop_wait": 2,
                "retry_timeout": 5,
                # A server that was killed is not waited for: another one is promoted.
                "master_start_timeout": 0,
                "primary_start_timeout": 0,
                "synchronous_mode": True,
                "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 100, "shared_buffers": "32MB"}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{node.port}",
            "connect_address": f"127.0.0.1:{node.port}",
            "data_dir": str(node.folder / "data"),
            "bin_dir": str(postgres),
            "pgpass": str(node.folder / "pgpass"),
            "authentication": {"superuser": users["postgres"], "replication": users["replicator"]},
            "parameters": {"unix_socket_directories": str(node.folder)},
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 scram-sha-256",
                "host replication all 127.0.0.1/32 scram-sha-256",
            ],
        },
        "watchdog": {"mode": "off"},
    }
