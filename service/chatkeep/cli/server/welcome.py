"""The last words of a start: which address to open, who signs in there, and what will keep people out."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

import structlog
from rich.text import Text

from chatkeep.accounts import queries
from chatkeep.accounts.passwords import PasswordHasher
from chatkeep.accounts.queries import AnyRow
from chatkeep.accounts.users import create_first_administrator
from chatkeep.audit.trail import AuditTrail, Origin
from chatkeep.cli.command_name import as_typed
from chatkeep.cli.doctor.findings import Area, Findings, Level
from chatkeep.cli.doctor.reachability import (
    is_unspecified,
    look_at_administrator,
    look_at_reachability,
    needs_https,
    reachable_addresses,
    sends_secure_cookie,
)
from chatkeep.cli.running_address import RunningAddress
from chatkeep.cli.terminal.output import errors, escape_terminal, print_error, results
from chatkeep.cli.terminal.passwords import random_password
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.database.database import Database
from chatkeep.hosts import is_loopback, to_url_host

READY_SECONDS = 60
PROBE_TIMEOUT_SECONDS = 5
MAX_ADDRESSES = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Administrator:
    """The administrator who can let others in when the service begins.

    Args:
        found: the row of `queries.preferred_administrator`, or None.
        made: this start has made it.
        password: the random one that it was given, to be shown this once.
        kept_password: it had a password before, and that is not the configured one.
        unfit_seals: `unfit_seal_advice` of the trail that tells what administrators do.
    """

    found: AnyRow | None
    made: bool = False
    password: str | None = None
    kept_password: bool = False
    unfit_seals: tuple[str, str] | None = None


class ServicePlace:
    """The path of the service at its port, told when the application is loaded.

    Args:
        path: "" at the root; None where an application of the operator's has it elsewhere, or not at all.
        known: whether that is final.
    """

    def __init__(self, path: str | None = "", *, known: bool = True) -> None:
        self.path = path
        self.is_known = known
        self.is_own_app = not known

    def tell(self, path: str | None) -> None:
        """Be told by the first worker that has loaded the application; others say the same."""
        if not self.is_known:
            self.path, self.is_known = path, True


async def first_administrator(
    settings: Settings, database: Database, hasher: PasswordHasher, trail: AuditTrail, *, local: bool
) -> Administrator:
    """Return an administrator; make one where there is none and `local` or a configured password says so.

    Raises:
        ConfigurationError: as `create_first_administrator`.
    """
    configured = settings.admin_password
    password = configured.get_secret_value() if configured is not None else random_password() if local else None
    made = password is not None and await create_first_administrator(
        database, hasher, utc_now, trail.by(Origin("service")), settings.admin_username, password
    )
    if made:
        log.info("first_administrator_made", username=settings.admin_username)
    async with database.transaction() as connection:
        found = await queries.preferred_administrator(connection, settings.admin_username)
    if configured is not None and not made and found is not None:
        matches, _ = await hasher.verify(configured.get_secret_value(), found.password_hash)
        return Administrator(found, kept_password=not matches)
    return Administrator(found, made, password if made and configured is None else None)


def announce(
    listener: socket.socket,
    settings: Settings,
    administrator: Administrator,
    *,
    place: ServicePlace | None = None,
    running: RunningAddress | None = None,
    ready_seconds: float = READY_SECONDS,
) -> None:
    """Wait until the service is ready, and say how to get in. Where that takes too long, say what it waits for.

    Args:
        place: where the service is; None: at the root.
        running: told the address when the service is ready.
        ready_seconds: after so long it says why the service is not ready, and goes on waiting.
    """
    try:
        address = listener.getsockname()
    except OSError:  # it is closed: the start has failed, and says why
        return
    # Unlike `getsockname`, with the zone that an address of the link alone needs.
    host, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    port = address[1]
    place = place or ServicePlace()
    _wait_until_ready(_own_address(host), port, ready_seconds, place)
    path = place.path if not place.is_own_app or _is_service(_own_address(host), port, place.path) else None
    if running is not None:
        running.tell(f"http://{to_url_host(_own_address(host))}:{port}{path or ''}")
    listening = f"listening on http://{to_url_host(host)}:{port}\n"
    block = _block(settings, port, administrator, path)
    if settings.log_format == "json":  # what reads the log must not meet lines for people
        results.file.write(listening)
        results.print(block, soft_wrap=True)
        return
    _print(block)
    sys.stdout.write(listening)
    sys.stdout.flush()


def _wait_until_ready(host: str, port: int, seconds: float, place: ServicePlace) -> None:
    deadline = time.monotonic() + seconds
    is_late = False
    while (reason := _why_not_ready(host, port, place)) is not None:
        if not is_late and time.monotonic() > deadline:
            is_late = True
            print_error(f"The service is not ready after {seconds:.0f} s. {reason} It keeps trying.")
        time.sleep(1 if is_late else 0.05)


def _why_not_ready(host: str, port: int, place: ServicePlace) -> str | None:
    """Say what the service waits for; of an operator's own application any answer but 503 will do."""
    if not place.is_known:
        return "The application is still being loaded."
    path = f"{place.path or ''}/readyz"
    # Never by a proxy of the environment, which does not reach this machine's own addresses.
    connection = HTTPConnection(host, port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        return f"{path} does not answer ({error or type(error).__name__})."
    finally:
        connection.close()
    is_ready = response.status == 200 or (place.is_own_app and (place.path is None or response.status != 503))
    return None if is_ready else f"{path} says {response.status}: {_detail_of(body)}"


def _is_service(host: str, port: int, path: str | None) -> bool:
    """Tell whether the service itself is at that path, and nothing of the application around it is in the way."""
    if path is None:
        return False
    connection = HTTPConnection(host, port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{path}/readyz")
        return "revision" in json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError, TypeError):
        return False
    finally:
        connection.close()


def _detail_of(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "nothing more."


def _own_address(host: str) -> str:
    """Return where to ask a service that listens on `host`."""
    if not is_unspecified(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def _block(settings: Settings, port: int, administrator: Administrator, path: str | None) -> Text:
    """Return how to get in; where the service's path is not known, only what is true wherever it is."""
    if path is None:
        if administrator.found is None or administrator.found.disabled:
            return Text()
        return Text("\n").join([Text(), *_aligned(list(_sign_in(settings, administrator))), Text()])
    findings = Findings()
    look_at_reachability(settings, findings, port=port)
    look_at_administrator(administrator.found, settings, findings)
    if administrator.unfit_seals is not None:
        findings.problem(Area.DATABASE, *administrator.unfit_seals)
    rows = [*_addresses(settings, f":{port}{path or settings.root_path}/"), *_sign_in(settings, administrator)]
    return Text("\n").join([Text(), *_aligned(rows), *_told(findings), Text()])


def _print(block: Text) -> None:
    if not block:
        return
    try:
        errors.print(block, soft_wrap=True)
    except OSError:  # the disk that it goes to is full
        errors.go_quiet()


def _addresses(settings: Settings, port_and_path: str) -> Iterator[tuple[str, str, str]]:
    host = _own_address(settings.host)
    yield "Open", f"http://{to_url_host(host)}{port_and_path}", "bold cyan"
    if settings.trusted_proxies and sends_secure_cookie(settings):
        # Where people are to come in: elsewhere, over plain http, their browsers keep no cookie.
        for name in _exact_names(settings)[:MAX_ADDRESSES]:
            yield "Through the proxy", f"https://{name}{settings.root_path}/", "cyan"
        return
    if needs_https(settings) or is_loopback(settings.host) or not is_unspecified(settings.host):
        return
    for address in reachable_addresses(settings)[:MAX_ADDRESSES]:
        yield "From other machines", f"http://{to_url_host(address)}{port_and_path}", "cyan"


def _exact_names(settings: Settings) -> list[str]:
    """Return the allowed hosts that are one host, as they were given."""
    return [name for name in settings.allowed_hosts if "*" not in name]


def _sign_in(settings: Settings, administrator: Administrator) -> Iterator[tuple[str, str, str]]:
    found = administrator.found
    if found is None or found.disabled:
        if settings.allow_registration:
            yield "Sign in", "with a new name: the page makes an account", ""
        return
    yield "Sign in as", escape_terminal(found.username), "bold"
    if administrator.password is not None:
        yield "Password", administrator.password, "bold green"
        command = as_typed(f"chatkeep user password {escape_terminal(found.username)}")
        yield "", f"It is shown this once; `{command}` sets another.", "dim"
    elif administrator.made:
        yield "Password", "the one in CHATKEEP_ADMIN_PASSWORD", ""
    elif administrator.kept_password:
        command = as_typed(f"chatkeep user password {escape_terminal(found.username)}")
        yield "Password", "not the one in CHATKEEP_ADMIN_PASSWORD, which is for the first administrator alone", "yellow"
        yield "", f"`{command}` sets another.", "dim"


def _aligned(rows: list[tuple[str, str, str]]) -> Iterator[Text]:
    width = max(len(label) for label, _, _ in rows)
    for label, value, style in rows:
        yield Text.assemble("  ", (label.ljust(width), "dim"), "  ", (value, style))


def _told(findings: Findings) -> Iterator[Text]:
    for finding in findings:
        if finding.level is Level.OK:
            continue
        style = "dim" if finding.level is Level.NOTE else "yellow"
        yield Text.assemble(
            "\n  ", (escape_terminal(finding.what), style), "\n  ", (escape_terminal(as_typed(finding.advice)), "bold")
        )
