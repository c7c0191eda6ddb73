"""Whether people wait for their replies just now, and for what: read from the figures of the running service."""

import asyncio
import re

from yarl import URL

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.http_client import BROKEN_CONNECTION, Client
from chatkeep.cli.run_async import run_async
from chatkeep.cli.running_address import configured_address, running_address
from chatkeep.config import Settings
from chatkeep.hosts import to_url_host

ANSWER_SECONDS = 3

_FIGURE = re.compile(r"^(chatkeep_generations(?:_waiting)?)(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def look_at_load(settings: Settings, findings: Findings) -> None:
    """Nothing is said where no service is reached: it may run elsewhere, or not yet."""
    found = run_async(_figures(settings))
    waiting = round(found.get("chatkeep_generations_waiting", 0))
    running = round(found.get("chatkeep_generations", 0)) - waiting
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


async def _figures(settings: Settings) -> dict[str, float]:
    token = settings.metrics_token.get_secret_value() if settings.metrics_token is not None else None
    try:
        async with asyncio.timeout(ANSWER_SECONDS), Client(URL(_address(settings)), token=token) as client:
            answer = await client.get("/metrics")
    except BROKEN_CONNECTION:
        return {}
    return {name: float(value) for name, value in _FIGURE.findall(answer.body.decode(errors="replace"))}


def _address(settings: Settings) -> str:
    if settings.metrics_port is not None:
        return f"http://{to_url_host(settings.metrics_host)}:{settings.metrics_port}"
    return running_address(settings) or configured_address(settings)
