"""How many connections a process holds, and how long each may take over a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from chatkeep.config import Settings
from chatkeep.http.addresses import Network
from chatkeep.open_files import RESERVED_FILES, max_open_files, possible_generations

log = structlog.get_logger(__name__)

MIN_CONNECTIONS = 64


@dataclass(frozen=True)
class Limits:
    """Limits of one process.

    Args:
        connections: all that are open at a time.
        per_address: of these, from one IPv4 address or one IPv6 /64 network.
        exempt: proxies that many clients come through; `per_address` does not count them.
        head_seconds: from a request's first byte to the end of its headers.
        body_seconds: without enough of a body that is due.
    """

    connections: int
    per_address: int
    exempt: Sequence[Network] = ()
    head_seconds: float = 10
    body_seconds: float = 30

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits of the settings, within what the system lets the process open."""
        possible = _possible_connections(settings)
        wanted = settings.max_connections
        if wanted is not None and wanted > possible:
            log.warning(
                "max_connections_lowered",
                connections=possible,
                detail=f"CHATKEEP_MAX_CONNECTIONS is {wanted}, and the limit of open files leaves room for {possible}. "
                "Raise that limit: `ulimit -n`, or LimitNOFILE= of the systemd unit.",
            )
        return cls(
            connections=min(wanted or possible, possible),
            per_address=settings.max_connections_per_address,
            exempt=(*settings.trusted_proxies, *settings.auth_proxies),
            head_seconds=settings.head_timeout_seconds,
            body_seconds=settings.body_timeout_seconds,
        )


def _possible_connections(settings: Settings) -> int:
    """A process without a free file can accept nothing, reach no database and write to no log."""
    files = max_open_files()
    own = settings.database_pool_size + possible_generations(settings) + RESERVED_FILES
    return max(MIN_CONNECTIONS, files - own)
