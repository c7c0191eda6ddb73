"""`chatkeep serve`: the service on a port, with its database, until it is told to stop."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import socket
from typing import Annotated

import typer
from pydantic import SecretStr

from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.app.logs import configure_logging
from chatkeep.app.metrics import share_metrics
from chatkeep.app.trusted_proxy import trusted_proxy_of
from chatkeep.audit.trail import AuditTrail
from chatkeep.cli.audit_recorder import another_key_advice, audit_secrets, require_known_key, unfit_seal_advice
from chatkeep.cli.local import forget_secret, kept_secret
from chatkeep.cli.local import secret_file as find_secret
from chatkeep.cli.mount import mount_path
from chatkeep.cli.running_address import address_to_tell
from chatkeep.cli.server.application import application_of, name_parts
from chatkeep.cli.server.listener import open_listener, open_metrics_listener
from chatkeep.cli.server.server import serve_here
from chatkeep.cli.server.supervisor import Supervisor
from chatkeep.cli.server.welcome import Administrator, ServicePlace, announce, first_administrator
from chatkeep.cli.server.worker import Work
from chatkeep.cli.server.worker_process import WorkerProcess
from chatkeep.cli.setting_names import unknown_names
from chatkeep.cli.terminal.output import print_error, print_info
from chatkeep.config import Settings
from chatkeep.database import migrations
from chatkeep.database.address import data_dir, database_address
from chatkeep.database.database import Database
from chatkeep.database.durability import require_safe
from chatkeep.errors import AnotherSigningKey
from chatkeep.open_files import raise_limit


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one. Default: 8000.")] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="postgresql://user:password@host/database. Default: an embedded server.", show_default=False),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded server. Default: the platform's data folder.")
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
    app: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:ATTRIBUTE",
            help="An application of your own, made or mounted with create_app. Default: the service itself.",
            show_default=False,
        ),
    ] = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Bring the database to this version first.")] = False,
    local: Annotated[
        bool,
        typer.Option(
            "--local",
            help="For this machine alone: makes and keeps a signing secret, makes the first administrator, sends the "
            "cookie over plain http, and takes the next free port unless you name one.",
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

      chatkeep serve --local --migrate --app mine:app
          like the first, with the application `app` from mine.py in this folder

    Every option is also an environment variable, such as CHATKEEP_PORT. Other settings, such as CHATKEEP_MODEL_API_KEY
    and CHATKEEP_ADMIN_PASSWORD, have no option. `chatkeep doctor` shows what is set and what is unsafe.
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
    makes_secret = local and find_secret(Settings.read(**options)) is None
    settings = _settings(options, local=local)
    settings.signing_keys()
    if app is not None:
        name_parts(app)  # its own settings may be others
    else:
        trusted_proxy_of(settings)
    for unknown in unknown_names():
        print_error(f"{unknown.what} {unknown.advice}")
    configure_logging(settings)
    raise_limit()
    _leave_in_order()
    with ExitStack() as stack:
        listener = stack.enter_context(open_listener(settings, may_move=local and port is None))
        metrics_listener = open_metrics_listener(settings)
        if metrics_listener is not None:
            stack.enter_context(metrics_listener)
        url = stack.enter_context(database_address(settings, say=print_info, watched=True))
        if migrate:
            migrations.upgrade(url)
        running = stack.enter_context(address_to_tell(settings))
        place = ServicePlace("" if app is None else None, known=app is None)
        try:
            administrator = asyncio.run(_prepare(settings, url, local=local))
        except AnotherSigningKey:
            if makes_secret:
                # Made by this start for nothing; the next one would take it for the key of this folder.
                forget_secret(settings)
            raise
        threading.Thread(
            target=announce,
            args=(listener, settings, administrator),
            kwargs={"place": place, "running": running},
            daemon=True,
        ).start()
        own = settings.model_copy(update={"database_url": SecretStr(url)})
        _run(own, app, listener, metrics_listener, place.tell)


def _leave_in_order() -> None:
    """Have SIGTERM and Ctrl-C unwind what was begun: the embedded server stops with the service.

    So does the end of the terminal, unless the process was started to outlive it (nohup).
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: signal.raise_signal(signal.SIGTERM))


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


async def _prepare(settings: Settings, url: str, *, local: bool) -> Administrator:
    """Refuse an unfit database in one sentence, before any worker does at length, and make the first administrator."""
    database, hasher = await Database.connect(url, pool_size=2, must_write=True), PasswordHasher()
    try:
        await migrations.require_head(database)
        if not settings.allow_unsafe_database:
            await require_safe(database)
        await require_known_key(database, settings)
        if (advice := another_key_advice(settings)) is not None:
            print_error(advice)
        # Also with the key that a command has kept, if one was here before the service.
        trail = await AuditTrail.open(database, audit_secrets(settings))
        administrator = await first_administrator(settings, database, hasher, trail, local=local)
        # By the keys that the service itself has, after what the new administrator has left in the trail.
        return replace(administrator, unfit_seals=await unfit_seal_advice(database, settings.signing_keys()))
    finally:
        hasher.close()
        await database.close()


def _run(
    settings: Settings,
    app: str | None,
    listener: socket,
    metrics_listener: socket | None,
    loaded: Callable[[str | None], None],
) -> None:
    """Serve here or in workers; `load_command` is told where the application has the service."""
    if settings.workers == 1:
        settings.hand_over()
        application = application_of(app)
        loaded(mount_path(application))
        serve_here(
            application,
            settings,
            listener,
            websockets=app is not None,
            metrics_listener=metrics_listener,
        )
        return
    with share_metrics() as folder:
        start = partial(WorkerProcess, Work(settings, app, listener, folder, metrics_listener), loaded)
        Supervisor(start, settings.workers, grace_seconds=settings.shutdown_grace_seconds).run()
