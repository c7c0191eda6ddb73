"""The audit trail, as commands write and check it: the operator's acts are on record, too."""

import os
import pwd
import shlex

from chatkeep.audit import queries
from chatkeep.audit.actions import Action
from chatkeep.audit.keys import SealingKeys
from chatkeep.audit.trail import AuditTrail, Origin, Recorder
from chatkeep.cli.local import kept_secret, secret_file
from chatkeep.config import Settings
from chatkeep.database.address import data_dir
from chatkeep.database.database import Database
from chatkeep.errors import AnotherSigningKey, AuditReasonRequired, ConfigurationError

SET_KEY = "Set CHATKEEP_SECRET_KEY to the key that `chatkeep serve` uses."


def audit_secrets(settings: Settings, *, make: bool = True) -> tuple[str, ...]:
    """Return the keys that seal the trail: the configured ones, and the one that `--local` keeps.

    Beside a database server of one's own a kept key counts only where none is configured: the folder may have been
    used with another database, and two keys of which one is right would seal the trail with the wrong one, too.

    Args:
        make: one for the embedded server, where there is none yet.

    Raises:
        ConfigurationError: there is none. An operator is on record like everybody else.
    """
    configured = settings.signing_keys() if settings.secret_key else ()
    if configured and settings.database_url is not None:
        return configured
    if secret_file(settings) is not None or (make and not configured and settings.database_url is None):
        kept = kept_secret(data_dir(settings))
        return configured if kept in configured else (kept, *configured)
    if not configured:
        raise ConfigurationError(f"The audit trail is sealed with the service's key. {SET_KEY}")
    return configured


def another_key_advice(settings: Settings) -> str | None:
    """Say what to do where the data folder keeps a key that is not among the configured ones; None where all fits."""
    if settings.database_url is not None or not settings.secret_key:
        return None
    file = secret_file(settings)
    if file is None or kept_secret(file.parent) in settings.signing_keys():
        return None
    return (
        f"CHATKEEP_SECRET_KEY is another key than the one in {file}, so everybody has to sign in again: set "
        f'both, the kept one first, with CHATKEEP_SECRET_KEY="$(cat {shlex.quote(str(file))}),…", or remove the file '
        "when the service has started once with your own key."
    )


async def require_known_key(database: Database, settings: Settings) -> None:
    """Refuse a database whose audit trail was sealed with other keys alone.

    Raises:
        AnotherSigningKey: says what to do, and where the right key is, if the data folder keeps it.
    """
    async with database.transaction() as connection:
        heads = await queries.all_heads(connection)
    if not SealingKeys(audit_secrets(settings)).know_none(heads):
        return
    file = secret_file(settings)
    if file is not None and not SealingKeys([kept_secret(file.parent)]).know_none(heads):
        raise AnotherSigningKey(f'"$(cat {shlex.quote(str(file))}),…" to replace it')
    raise AnotherSigningKey


async def unfit_seal_advice(database: Database, secrets: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the fault of the audit trail's ends, and the remedy; None where all fit."""
    keys = SealingKeys(secrets)
    async with database.transaction() as connection:
        heads = await queries.all_heads(connection)
    if all(head.is_untouched for head in heads) or all(keys.fit(head) for head in heads):
        return None
    return (
        "The audit trail does not end as it was sealed with this signing key.",
        "`chatkeep audit verify` says where. If the key was replaced, set both: old,new.",
    )


async def operators_audit(database: Database, secrets: tuple[str, ...], reason: str | None = None) -> Recorder:
    """Return an audit recorder for the operator.

    Raises:
        ConfigurationError: the trail is sealed with other keys: a row of ours would break its seal.
    """
    keys = SealingKeys(secrets)
    async with database.transaction() as connection:
        heads = await queries.all_heads(connection)
    if any(head.seals and not keys.know(head) for head in heads):
        raise ConfigurationError(f"The audit trail is sealed with another key than this command has. {SET_KEY}")
    trail = await AuditTrail.open(database, secrets)
    return trail.by(operators_origin(reason))


def operators_origin(reason: str | None) -> Origin:
    """Return the operator who gives this command, and the reason; one of blanks is none."""
    said = reason if (reason or "").strip() else None
    return Origin("operator", reason=said, os_user=operators_name())


async def note(database: Database, audit: Recorder, action: Action) -> None:
    """Put on record what has no transaction of its own."""
    async with database.transaction() as connection:
        await audit.record(connection, action)


def require_reason(settings: Settings, reason: str | None) -> None:
    """Refuse to show others' histories without a reason where the service demands one.

    Raises:
        AuditReasonRequired: says which option.
    """
    if settings.require_audit_reason and not (reason or "").strip():
        raise AuditReasonRequired("Give a reason with --reason; it is recorded. CHATKEEP_REQUIRE_AUDIT_REASON is on.")


def operators_name() -> str:
    """Return the account on this machine that runs the command, by its number where it has no name.

    Asked of the system and not of LOGNAME or USER: an operator could put somebody else's name there.
    """
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name.encode("utf-8", "replace").decode()
    except KeyError:
        return f"uid {number}"
