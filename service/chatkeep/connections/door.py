"""The count of a process's connections, by address, and the record of those that were refused."""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable

import structlog

from chatkeep.connections.limits import Limits
from chatkeep.http.addresses import is_within, parse_address

log = structlog.get_logger(__name__)

# An attack has one line in this time, with a count, and not one line for each of its connections.
LOG_SECONDS = 10.0


class Door:
    """Lets connections in and out; one for each process.

    Args:
        count_refusal: told the code of every refusal, for the figures.
    """

    def __init__(self, limits: Limits, *, count_refusal: Callable[[str], None] = lambda _code: None) -> None:
        self.limits = limits
        self._count_refusal = count_refusal
        self._open = 0
        self._by_place: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()

    def enter(self, host: str | None) -> tuple[str | None, str | None]:
        """Count a connection.

        Returns:
            The place that it counts for, which `leave` takes, or None; and the code of why it is refused, or None.
        """
        self._open += 1
        place = self._place(host)
        if place is not None:
            self._by_place[place] += 1
        if self._open > self.limits.connections:
            return place, "connections_exhausted"
        if place is not None and self._by_place[place] > self.limits.per_address:
            return place, "too_many_connections"
        return place, None

    def leave(self, place: str | None) -> None:
        self._open -= 1
        if place is None:
            return
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    def refused(self, code: str, host: str | None, detail: str) -> None:
        """Put a refusal on record; it may be one of thousands a second."""
        self._count_refusal(code)
        now = time.monotonic()
        if now - self._logged_at.get(code, -LOG_SECONDS) < LOG_SECONDS:
            self._unlogged[code] += 1
            return
        self._logged_at[code] = now
        write = log.warning if code in ("connections_exhausted", "too_many_connections") else log.info
        write(
            "request_refused",
            code=code,
            address=host,
            detail=detail,
            others_since_last_line=self._unlogged.pop(code, 0),
        )

    def _place(self, host: str | None) -> str | None:
        """Return the address, or of IPv6 the network: one who has an address there has 2**64 of them."""
        address = parse_address(host) if host else None
        if address is None or is_within(address, self.limits.exempt):
            return None
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)
