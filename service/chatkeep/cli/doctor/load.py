"""Whether people wait for their replies just now, and for what: read from the figures of the running service."""

import asyncio
import re

import aiohttp

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.http_client import BROKEN_CONNECTION
from chatkeep.cli.run_async import run_async
from chatkeep.cli.running_address import configured_address, running_address
from chatkeep.config import Settings
from chatkeep.hosts import to_url_host

ANSWER_SECONDS = 3
MAX_ANSWER_BYTES = 1024 * 1024

# As Prometheus' library writes whole numbers.
_FIGURE = re.compile(r"^(chatkeep_generations(?:_waiting)?) ([0-9]{1,9})\.0$", re.MULTILINE)


def look_at_load(settings: Settings, findings: Findings) -> None:
    """Nothing is said where no service is reached: it may run elsewhere, or not yet."""
    found = run_async(_figures(settings))
    waiting = found.get("chatkeep_generations_waiting", 0)
    running = found.get("chatkeep_generations", 0) - waiting
    if not waiting:
        return
    who = "1 reply waits" if waiting == 1 else f"{waiting} replies wait"
    if running >= settings.max_generations * settings.workers:
        findings.warn(
            Area.MODEL,
            f"{who} for others to end, not for the model: CHATKEEP_MAX_GENERATIONS={settings.max_generations} allows "
            "each process no more.",
            "Raise it if the model server can take more.",
        )
    else:
        findings.note(Area.MODEL, f"{who} for the model server. It is asked for more as it begins to answer.")


async def _figures(settings: Settings) -> dict[str, int]:
    """Return the two figures, each of all processes together; none where nothing of that kind answers."""
    address = _address(settings)
    if address is None:
        return {}
    token = settings.metrics_token.get_secret_value() if settings.metrics_token is not None else None
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            aiohttp.ClientSession(headers=headers, auto_decompress=False) as session,
            session.get(f"{address}/metrics", allow_redirects=False) as answer,
        ):
            body = b""
            while len(body) < MAX_ANSWER_BYTES and (piece := await answer.content.read(MAX_ANSWER_BYTES)):
                body += piece
    except BROKEN_CONNECTION:
        return {}
    return {name: int(value) for name, value in _FIGURE.findall(body.decode(errors="replace"))}


def _address(settings: Settings) -> str | None:
    """Return where the figures are.

    Threat: a service that is down leaves its port to anybody on this machine, who would be sent the token. So with one
    the service has to be known to run.
    """
    running = running_address(settings)
    if settings.metrics_token is not None and running is None:
        return None
    if settings.metrics_port is not None:
        return f"http://{to_url_host(settings.metrics_host)}:{settings.metrics_port}"
    return running or configured_address(settings)
