"""The embedded server: whether it was away, and how much room its disk has left."""

from datetime import UTC, datetime

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.database.postgres.data_folder import DataFolder
from chatkeep.database.postgres.outage import SCARCE_BYTES, free_bytes

# Enough for some days of chatting, and for a backup to be thought of.
LOW_BYTES = 16 * SCARCE_BYTES


def look_at_outage(place: DataFolder, findings: Findings) -> None:
    """Tell what a running service knows of its server; it need not be running."""
    if place.path.exists():
        _look_at_space(place, findings)
    outage = place.outage_file.read()
    if outage is None:
        return
    log = f"{place.log_file} and the service's log say why."
    if place.outage_file.current() is not None:
        findings.problem(Area.DATABASE, outage.sentence(), log)
    elif outage.restarts:
        when = datetime.fromtimestamp(outage.restarted_at, UTC)
        findings.warn(
            Area.DATABASE,
            f"The embedded server was away and is back: {outage.restarts} times since the service started, last at "
            f"{when:%Y-%m-%d %H:%M:%S} UTC.",
            f"{log} The system may have killed it because memory ran out.",
        )


def _look_at_space(place: DataFolder, findings: Findings) -> None:
    free = free_bytes(place.path)
    what = f"The disk of the data folder has {free // 2**20:,} MB left."
    if free < SCARCE_BYTES:
        findings.problem(Area.DATABASE, what, "Free some space: nothing more can be saved, and PostgreSQL may stop.")
    elif free < LOW_BYTES:
        findings.warn(Area.DATABASE, what, "Free some space before PostgreSQL runs out of it.")
