"""The last words of a start: where the service is, and who can sign in."""

import secrets
import socket
import sys
import time
import urllib.error
import urllib.request

from service.accounts.administrators import create_first_administrator
from service.accounts.passwords import PasswordHasher
from service.audit.trail import AuditTrail, Origin
from service.cli.output import errors
from service.clock import utc_now
from service.config import Settings
from service.database.database import Database

READY_SECONDS = 60


async def first_administrator(
    settings: Settings, database: Database, hasher: PasswordHasher, trail: AuditTrail
) -> None:
    """Make the first administrator; where no password is configured, a random one that is printed this once."""
    given = settings.admin_password
    password = given.get_secret_value() if given else secrets.token_urlsafe(12)
    made = await create_first_administrator(
        database, hasher, utc_now, trail.by(Origin("service")), settings.admin_username, password
    )
    if made and given is None:
        errors.print(
            f"The first administrator is [bold]{settings.admin_username}[/] with the password [bold]{password}[/]\n"
            "It is shown this once; `chatkeep user password` sets another.",
            soft_wrap=True,
        )


def announce(listener: socket.socket, *, own_app: bool = False) -> None:
    """Say where the service is as soon as it is ready.

    Args:
        own_app: an application of the operator's is served, where `/readyz` may be anywhere: any answer will do.
    """
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  where to ask, not to listen
    shown, asked = (f"[{name}]" if ":" in name else name for name in (host, reachable))
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # not through http_proxy
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with directly.open(f"http://{asked}:{port}/readyz", timeout=5):
                break
        except OSError as error:
            if own_app and isinstance(error, urllib.error.HTTPError):
                break
            time.sleep(0.05)
    else:
        return
    sys.stdout.write(f"listening on http://{shown}:{port}\n")
    sys.stdout.flush()
