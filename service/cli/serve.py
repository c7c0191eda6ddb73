"""`chatkeep serve`: the service on a port, with its database, until it is told to stop."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from service.accounts.passwords import PasswordHasher
from service.app.logs import configure_logging
from service.app.metrics import SHARED_FOLDER
from service.audit.trail import AuditTrail
from service.cli.auditing import audit_secrets
from service.cli.local import kept_secret
from service.cli.output import say
from service.cli.welcome import announce, first_administrator
from service.config import Settings
from service.database import migrations
from service.database.address import data_dir, database_address
from service.database.database import Database
from service.database.safety import require_safe
from service.errors import ConfigurationError

PORTS_TRIED = 20
BACKLOG = 2048
# Longer than a proxy in front keeps an unused connection, 60 s as a rule (nginx, load balancers of clouds): the one
# that sends the next request must be the one that ends it, or a request now and then meets a closed connection.
KEEP_ALIVE_SECONDS = 75


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one. Default: 8000.")] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="postgresql://user:password@host/database. Default: an embedded server.", show_default=False),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded server. Default: the platform's place for data.")
    ] = None,
    model_url: Annotated[
        str | None,
        typer.Option(
            help="A server that speaks the OpenAI API, such as http://127.0.0.1:11434/v1. "
            "Default: a small built-in demonstration."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model's name. Default: the first that the server offers.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port. Default: 1.")] = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database to this version first.")] = False,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="For this machine alone: makes and keeps a signing secret, makes the first administrator, sends the "
            "cookie over plain http, and takes the next port where one is taken.",
        ),
    ] = False,
) -> None:
    """Run the service.

    [bold]Examples[/]

      chatkeep serve --local --migrate
          everything on this machine: an embedded PostgreSQL, a demonstration model

      chatkeep serve --local --migrate --model-url http://127.0.0.1:11434/v1
          the same, answering from Ollama

      CHATKEEP_SECRET_KEY=… chatkeep serve --database-url postgresql://chatkeep@db/chatkeep --host 0.0.0.0 --workers 4
          a server of your own; put TLS in front of it

    Every option is also an environment variable, such as CHATKEEP_PORT; so are MODEL_API_KEY, ADMIN_PASSWORD and
    others that are only that. `chatkeep doctor` tells what is set and what is unsafe.
    """
    options = {
        "host": host,
        "port": port,
        "database_url": database_url,
        "data_dir": data_dir,
        "model_url": model_url,
        "model": model,
        "workers": workers,
    }
    settings = _settings(options, local=local)
    settings.signing_keys()
    configure_logging(settings)
    _leave_in_order()
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(settings, may_move=local and port is None))
        url = stack.enter_context(database_address(settings, say=say))
        if migrate:
            migrations.upgrade(url)
        asyncio.run(_prepare(settings, url, local=local))
        _hand_over(stack, settings, url)
        _run(settings, listener)


def _leave_in_order() -> None:
    """Have SIGTERM and Ctrl-C unwind what was begun: the embedded server stops with the service."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))


def _settings(given: Mapping[str, object], *, local: bool) -> Settings:
    settings = Settings.read(**given)
    if not local:
        return settings
    chosen = settings.model_fields_set
    own: dict[str, object] = {}
    if "cookie_secure" not in chosen:
        own["cookie_secure"] = False
    if "secret_key" not in chosen:
        own["secret_key"] = kept_secret(data_dir(settings))
    return Settings.read(**given, **own)


def _listener(settings: Settings, *, may_move: bool) -> socket.socket:
    """Return a socket that listens; where the port is taken and may move, the next free one."""
    last = settings.port + (PORTS_TRIED if may_move and settings.port else 0)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in range(settings.port, last + 1):
        # Said to be TCP: event loops turn Nagle's delay off only for a socket that says so.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            reason = error.strerror
            continue
        listener.set_inheritable(True)
        return listener
    raise ConfigurationError(
        f"Cannot listen on {settings.host}:{settings.port} ({reason}). Choose another with --port; 0 picks a free one."
    )


async def _prepare(settings: Settings, url: str, *, local: bool) -> None:
    """Refuse an unfit database in one sentence, before any worker does at length, and make the first administrator."""
    database, hasher = await Database.connect(url, pool_size=2), PasswordHasher()
    try:
        await migrations.require_head(database)
        if not settings.allow_unsafe_database:
            await require_safe(database)
        # Also with the key that a command has kept, if one was here before the service.
        trail = await AuditTrail.open(database, audit_secrets(settings))
        if local:
            await first_administrator(settings, database, hasher, trail)
    finally:
        hasher.close()
        await database.close()


def _hand_over(stack: ExitStack, settings: Settings, url: str) -> None:
    """Put the settings where the worker processes read them: their own environment, which others cannot see."""
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            os.environ[f"CHATKEEP_{name.upper()}"] = _as_text(value)
    os.environ["CHATKEEP_DATABASE_URL"] = url
    if settings.workers > 1:
        os.environ[SHARED_FOLDER] = stack.enter_context(tempfile.TemporaryDirectory(prefix="chatkeep-metrics-"))


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_as_text(part) for part in value)
    if hasattr(value, "get_secret_value"):
        return str(value.get_secret_value())
    return str(value)


def _run(settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        "service.app.worker:application",
        factory=True,
        host=settings.host,
        port=listener.getsockname()[1],
        workers=settings.workers,
        log_config=None,
        access_log=False,
        # Which proxies are believed is for CHATKEEP_TRUSTED_PROXIES to say, in one place.
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    threading.Thread(target=announce, args=(listener,), daemon=True).start()
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
        if not server.started:
            sys.exit(1)
