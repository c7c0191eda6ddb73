"""The audit trail verified while somebody waits: how far it has come, and what was found."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from typing import Any

from chatkeep.audit.keys import SealingKeys
from chatkeep.audit.verification import Break, verify, verify_ends
from chatkeep.database.reads import Reads
from chatkeep.errors import Unavailable

PAUSE_SECONDS = 0.2


async def verification_lines(reads: Reads, keys: SealingKeys) -> AsyncGenerator[bytes, None]:
    """Verify the trail, and end doing so when nobody reads the lines any longer.

    Returns:
        `{"read", "rows"}` again and again; then `{"whole", "broken", "breaks", "lag_seconds"}`, the last one where it
        was read on a standby, or `{"error"}` with a problem's code
        where the database did not answer.
    """
    try:
        rows = sum(head.seq for head in (await verify_ends(reads, keys)).heads)
    except Unavailable as error:
        yield _line(error=error.code)
        return
    read = 0

    def note(number: int) -> None:
        nonlocal read
        read += number

    verifying = asyncio.create_task(verify(reads, keys, progress=note), name="verify")
    try:
        while not verifying.done():
            yield _line(read=read, rows=rows)
            await asyncio.wait([verifying], timeout=PAUSE_SECONDS)
        verdict = verifying.result()
    except Unavailable as error:
        yield _line(error=error.code)
    else:
        breaks = [_told(each) for each in verdict.breaks]
        yield _line(whole=verdict.whole, broken=verdict.broken, breaks=breaks, lag_seconds=whole_seconds(reads))
    finally:
        verifying.cancel()
        await asyncio.gather(verifying, return_exceptions=True)


def whole_seconds(reads: Reads) -> int | None:
    """Return how far behind at most the answers were; None where all came from the primary."""
    return None if reads.lag_seconds is None else math.ceil(reads.lag_seconds)


def _told(found: Break) -> dict[str, Any]:
    return {
        "fault": found.fault.name.lower(),
        "chain": found.chain,
        "row": found.seq,
        "last": found.last,
        "event_id": found.event_id,
    }


def _line(**values: Any) -> bytes:
    return json.dumps(values, default=str).encode() + b"\n"
