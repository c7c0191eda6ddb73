"""The database: where it is, whether it answers, fits and keeps its word, and whether anybody may administer."""

import os
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from chatkeep.accounts.queries import preferred_administrator
from chatkeep.accounts.token_queries import owner_of_unlimited
from chatkeep.audit.keys import SealingKeys
from chatkeep.audit.queries import all_heads
from chatkeep.cli.audit_recorder import audit_secrets
from chatkeep.cli.database import command_database
from chatkeep.cli.doctor.deployment import (
    look_at_administrators_standby,
    look_at_options,
    look_at_pooler,
    look_at_standbys,
)
from chatkeep.cli.doctor.embedded import look_at_outage
from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.doctor.reachability import look_at_administrator
from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.database.database import Database
from chatkeep.database.durability import unsafe_settings
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.migrations import standing
from chatkeep.database.postgres.binaries import find_binaries, find_binaries_of
from chatkeep.database.postgres.data_folder import DataFolder
from chatkeep.errors import AnotherSigningKey, ConfigurationError

PINGS = 5
SLOW_MILLISECONDS = 25
QUERY_TIMEOUT_SECONDS = 10


def look_at_database(settings: Settings, findings: Findings) -> None:
    with findings.noting_failure(Area.DATABASE):
        if settings.database_url is None and not _look_at_embedded(settings, findings):
            return
        with command_database(settings) as database:

            async def look(connected: Database) -> None:
                await _look(connected, settings, database.url, findings)

            database.run(look, at_head=False)


def _look_at_embedded(settings: Settings, findings: Findings) -> bool:
    """Look at what the embedded server needs; return whether there is a database to look into."""
    folder = data_dir(settings).expanduser()
    place = DataFolder(folder)
    major = place.major()
    found = (
        find_binaries(settings.postgres_bin)
        if major is None
        else find_binaries_of(major, settings.postgres_bin, place.cluster)
    )
    findings.ok(Area.DATABASE, f"The embedded server is PostgreSQL {found.version}, in {found.folder}.")
    _look_at_folder(folder, findings)
    look_at_outage(place, findings)
    if major is None:
        findings.note(
            Area.DATABASE, f"There is no database in {folder} yet.", "`chatkeep serve --local --migrate` makes one."
        )
    return major is not None


def _look_at_folder(folder: Path, findings: Findings) -> None:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if _is_writable(existing):
        findings.ok(Area.DATABASE, f"The data folder {folder} can be written.")
    else:
        findings.problem(
            Area.DATABASE,
            f"The data folder {folder} cannot be written by this user.",
            "Run the service as the user that it belongs to, or choose another with CHATKEEP_DATA_DIR.",
        )


def _is_writable(folder: Path) -> bool:
    """Try it: modes alone do not tell of read-only disks, nor of what root may not do either."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".chatkeep-doctor-", dir=folder)
    except OSError:
        return False
    os.close(descriptor)
    Path(name).unlink()
    return True


async def _look(database: Database, settings: Settings, url: str, findings: Findings) -> None:
    await _look_at_server(database, url, findings)
    look_at_pooler(database, settings, findings)
    await look_at_options(database, findings)
    await look_at_standbys(database, findings)
    await look_at_administrators_standby(database, settings, findings)
    await _look_at_revision(database, findings)
    await _look_at_durability(database, settings, findings)
    await _look_at_administrators(database, settings, findings)
    await _look_at_tokens(database, findings)
    await _look_at_audit_trail(database, settings, findings)


async def _look_at_server(database: Database, url: str, findings: Findings) -> None:
    query = "SELECT current_setting('server_version'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
    async with database.transaction() as connection:
        version, encrypted = (await connection.execute(text(query))).one()
    milliseconds = await _round_trip_milliseconds(database)
    address = DatabaseAddress.parse(url)
    what = f"PostgreSQL {version.partition(' ')[0]} at {address.shown} answers in {milliseconds:.1f} ms."
    if milliseconds > SLOW_MILLISECONDS:
        findings.warn(
            Area.DATABASE, what, "Each turn waits for three answers: move the service closer to the database."
        )
    else:
        findings.ok(Area.DATABASE, what)
    if not encrypted and not address.is_on_this_machine:
        findings.warn(
            Area.DATABASE,
            "Conversations and the password go to the database over the network unencrypted.",
            "Turn TLS on in the server and add ?sslmode=require to its address, unless only these two machines "
            "are on that network.",
        )


async def _round_trip_milliseconds(database: Database) -> float:
    await database.ping()  # opens the connection
    times = []
    for _ in range(PINGS):
        begun = time.perf_counter()
        await database.ping()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


async def _look_at_revision(database: Database, findings: Findings) -> None:
    found = await standing(database)
    if found.at_head:
        findings.ok(Area.DATABASE, f"Its tables are at revision {found.head}, as this version needs.")
    else:
        findings.problem(
            Area.DATABASE,
            f"Its tables are at revision {found.revision or '(empty)'}, and this version needs {found.head}.",
            "Run `chatkeep db upgrade`.",
        )


async def _look_at_durability(database: Database, settings: Settings, findings: Findings) -> None:
    unsafe = await unsafe_settings(database)
    if not unsafe:
        findings.ok(Area.DATABASE, "It keeps what it acknowledged, even after a crash.")
    for what in unsafe:
        if settings.allow_unsafe_database:
            findings.warn(
                Area.DATABASE, what, "CHATKEEP_ALLOW_UNSAFE_DATABASE accepts it; change it if the conversations matter."
            )
        else:
            findings.problem(
                Area.DATABASE,
                what,
                "Change it in the server, or accept it with CHATKEEP_ALLOW_UNSAFE_DATABASE=true.",
            )


async def _look_at_audit_trail(database: Database, settings: Settings, findings: Findings) -> None:
    """By its ends alone, which takes no time; `chatkeep audit verify` reads all of it."""
    if not (await standing(database)).at_head:
        return
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        heads = await all_heads(connection)
    if heads and all(head.is_untouched for head in heads):
        return
    try:
        keys = SealingKeys(audit_secrets(settings, make=False))
    except ConfigurationError:
        return  # without a key there is a finding already
    rows = sum(head.seq for head in heads)
    if keys.know_none(heads):
        findings.problem(Area.DATABASE, AnotherSigningKey().detail)
    elif all(keys.fit(head) for head in heads):
        findings.ok(Area.DATABASE, f"The audit trail of {rows:,} rows ends as it was sealed.")
    else:
        findings.problem(
            Area.DATABASE,
            "The audit trail does not end as it was sealed with this signing key.",
            "`chatkeep audit verify` says where. If the key was replaced, set both: old,new.",
        )


async def _look_at_tokens(database: Database, findings: Findings) -> None:
    if not (await standing(database)).at_head:
        return
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        owner = await owner_of_unlimited(connection)
    if owner is not None:
        findings.note(
            Area.ACCOUNTS,
            f"There are access tokens that may do all that their owner may, such as one of {owner}: those from before "
            "scopes, and those that were made so.",
            f"`chatkeep token list {owner}` shows them. Replace each with one that has only the scopes its program "
            "needs.",
        )


async def _look_at_administrators(database: Database, settings: Settings, findings: Findings) -> None:
    if (await standing(database)).revision is None:
        return
    async with database.read_only(timeout_seconds=QUERY_TIMEOUT_SECONDS) as connection:
        administrator = await preferred_administrator(connection, settings.admin_username)
    look_at_administrator(administrator, settings, findings)
