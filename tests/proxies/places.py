"""A service behind the documented nginx, in each of the ways that the document shows."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from chatkeep.chat.models import LanguageModel
from tests.proxies import documented
from tests.proxies.servers import nginx_running
from tests.support.programs import free_port
from tests.support.running_service import RunningService, running

ROOT, TAKEN_OFF, LEFT_ON = "root", "prefix taken off", "prefix left on"
VARIANTS = (ROOT, TAKEN_OFF, LEFT_ON)
BEHIND: dict[str, Any] = {"cookie_secure": True, "allowed_hosts": documented.NAME, "trusted_proxies": "127.0.0.1"}


@dataclass(frozen=True)
class Place:
    """Where browsers find a service."""

    service: RunningService
    port: int
    prefix: str = ""

    @property
    def origin(self) -> str:
        return f"https://{documented.NAME}:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.prefix

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """Return a client that asks for the documented name, which only the test's browser can look up."""
        return proxied_client(self.port, self.prefix, **headers)


def proxied_client(port: int, prefix: str = "", **headers: str) -> httpx2.AsyncClient:
    named = {"Host": f"{documented.NAME}:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}

    async def name_it_in_tls(request: httpx2.Request) -> None:
        request.extensions["sni_hostname"] = documented.NAME

    return httpx2.AsyncClient(
        base_url=f"https://127.0.0.1:{port}{prefix}",
        headers=named,
        verify=False,
        timeout=30,
        event_hooks={"request": [name_it_in_tls]},
    )


@asynccontextmanager
async def behind_nginx(
    variant: str,
    database_url: str,
    folder: Path,
    signed: tuple[Path, Path],
    *,
    model: LanguageModel | None = None,
    **settings: Any,
) -> AsyncIterator[Place]:
    """Run the service and nginx in front of it, on a port that is not https's own."""
    prefix = "" if variant == ROOT else "/chat"
    async with running(database_url, model=model, **(BEHIND | {"root_path": prefix} | settings)) as service:
        port, upstream = free_port(), service.url.removeprefix("http://")
        if variant == ROOT:
            servers = documented.nginx_at_root(upstream, port, *signed)
        else:
            servers = documented.nginx_under_path(upstream, port, *signed, strips=variant == TAKEN_OFF)
        async with nginx_running(folder, servers, port):
            yield Place(service, port, prefix)


def agreed_protocol(port: int) -> str | None:
    """Return the protocol that a client of both is offered, `h2` or `http/1.1`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as connection:
        return connection.selected_alpn_protocol()
