"""Dependencies of administration's routers."""

import math
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from chatkeep.accounts.dependencies import AuditDep, DatabaseDep
from chatkeep.audit.access_record import Reading
from chatkeep.audit.trail import Recorder
from chatkeep.config import Settings
from chatkeep.database.reads import Reads
from chatkeep.errors import AuditReasonRequired, Invalid
from chatkeep.http.strict_json import is_storable

MAX_REASON_CHARACTERS = 500
REASON_REQUIRED = (428, "Say why, in the header X-Audit-Reason.")

BEHIND_HEADER = "X-Standby-Lag-Seconds"
# Of an answer that may have been read on a standby.
BEHIND: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            BEHIND_HEADER: {
                "description": "Read on a standby, which was so far behind at most. Absent: read on the primary.",
                "schema": {"type": "integer"},
            }
        }
    }
}

ReasonHeader = Annotated[
    str | None,
    Header(
        alias="X-Audit-Reason", max_length=4 * MAX_REASON_CHARACTERS, description="Why; it is put on record. In UTF-8."
    ),
]

TOO_SLOW = (503, "That took too long and was stopped. Narrow it: by user, by time, by status.")


async def get_administrators_audit(audit: AuditDep, reason: ReasonHeader = None) -> Recorder:
    """Return an audit recorder for an administrator, with the reason that was given."""
    return audit.because(_read_reason(reason))


AdministratorsAudit = Annotated[Recorder, Depends(get_administrators_audit)]


async def get_reading(request: Request, database: DatabaseDep, audit: AdministratorsAudit) -> Reading:
    """Return a recorder of readings of other people's histories.

    Raises:
        AuditReasonRequired: there is no reason, and the service demands one.
    """
    settings: Settings = request.app.state.settings
    if settings.require_audit_reason and audit.origin.reason is None:
        raise AuditReasonRequired(REASON_REQUIRED[1])
    return Reading(database, audit)


async def get_reads(request: Request, response: Response) -> Reads:
    """Return the reads of an administrator's request, whose answer says how far it may be behind."""

    def tell(lag_seconds: float) -> None:
        response.headers.update(behind(lag_seconds))

    return Reads(request.app.state.database, request.app.state.standby, told=tell)


def behind(lag_seconds: float | None) -> dict[str, str]:
    """Return the header that says how far an answer may be behind; none for one of the primary's."""
    return {} if lag_seconds is None else {BEHIND_HEADER: str(math.ceil(lag_seconds))}


ReadsDep = Annotated[Reads, Depends(get_reads)]
ReadingDep = Annotated[Reading, Depends(get_reading)]


def _read_reason(header: str | None) -> str | None:
    """Return the text of a header, whose bytes reach us as one character each.

    Raises:
        Invalid: too long, not UTF-8, or with characters that could make one row of a list look like two.
    """
    try:
        reason = (header or "").encode("latin-1").decode().strip()
    except UnicodeError:
        raise Invalid("X-Audit-Reason is not text in UTF-8.") from None
    if len(reason) > MAX_REASON_CHARACTERS or not is_storable(reason) or not reason.isprintable():
        raise Invalid(f"X-Audit-Reason is at most {MAX_REASON_CHARACTERS} characters on one line.")
    return reason or None
