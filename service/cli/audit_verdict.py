"""What `chatkeep audit verify` says, and where it keeps what it has seen."""

import json
from pathlib import Path

from service.audit.events import Anchor
from service.audit.keys import SealingKeys
from service.audit.queries import all_heads
from service.audit.verification import Verdict, verify
from service.cli.auditing import audit_secrets, operators_origin
from service.cli.database import CommandDatabase
from service.cli.output import answer, complain, say
from service.cli.progress import row_progress
from service.database.database import Database
from service.errors import ConfigurationError

MOST_SHOWN = 20


def verify_trail(database: CommandDatabase, checkpoint: Anchor | None, save: Path | None) -> bool:
    """Verify the trail, say what was found, and return whether it is whole.

    Args:
        checkpoint: where the chains ended earlier.
        save: where to keep where they end now; a trail that is not whole is not kept.

    Raises:
        ConfigurationError: the key is not set, or the file cannot be written.
    """
    keys = SealingKeys(audit_secrets(database.settings))
    verdict = database.run(lambda connected: _verified(connected, keys, checkpoint))
    if verdict.broken:
        _say_what_is_broken(verdict)
        return False
    answer(f"The audit trail is whole: {_count(verdict.whole)} in {len(verdict.heads)} chains.")
    if checkpoint is not None:
        answer("Nothing is missing since the checkpoint.")
    if save is not None:
        _write(save, verdict.checkpoint)
    return True


def seal_trail(database: CommandDatabase, reason: str) -> None:
    """Seal the trail as it is, and say what was not sealed before."""
    secrets = audit_secrets(database.settings)

    async def work(connected: Database) -> list[int]:
        from service.audit.trail import AuditTrail  # noqa: PLC0415

        # Not opened as others are, which refuse a trail that is sealed with another key.
        trail = AuditTrail(SealingKeys(secrets))
        async with connected.transaction() as connection:
            return await trail.seal_as_it_is(connection, operators_origin(reason))

    unfit = database.run(work)
    answer(f"Sealed. {len(unfit)} of the chains had no valid seal before, which is on record.")


def read_checkpoint(file: Path) -> Anchor:
    """Return where the chains ended, as `--save` has kept it.

    Raises:
        ConfigurationError: it is another file.
    """
    try:
        kept = json.loads(file.read_text())
        return [(int(chain), int(seq), str(row_hash)) for chain, seq, row_hash in kept["ends"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is not a file of `chatkeep audit verify --save`.") from error


async def _verified(database: Database, keys: SealingKeys, checkpoint: Anchor | None) -> Verdict:
    async with database.transaction() as connection:
        total = sum(head.seq for head in await all_heads(connection))
    with row_progress("rows", total) as advance:
        return await verify(database, keys, checkpoint=checkpoint, progress=advance)


def _say_what_is_broken(verdict: Verdict) -> None:
    for found in verdict.breaks[:MOST_SHOWN]:
        complain(str(found))
    if verdict.broken > MOST_SHOWN:
        say(f"… and {verdict.broken - MOST_SHOWN} more.")
    answer(f"The audit trail is NOT whole: {verdict.broken} faults. {_count(verdict.whole)} unchanged.")


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _write(file: Path, ends: Anchor) -> None:
    file.write_text(json.dumps({"ends": ends}) + "\n")
    say(f"Saved where it ends in {file}.")
