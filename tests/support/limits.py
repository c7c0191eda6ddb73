"""The service's limits that a busy machine meets by itself."""

from importlib import import_module

PATIENT_SECONDS = 100
LIMITS = (
    "chatkeep.database.database.POOL_TIMEOUT_SECONDS",
    "chatkeep.database.database.HOT_POOL_TIMEOUT_SECONDS",
    "chatkeep.database.database.CONNECT_TIMEOUT_SECONDS",
    "chatkeep.database.connector.CONNECT_TIMEOUT_SECONDS",
    "chatkeep.database.connector.HOT_CONNECT_TIMEOUT_SECONDS",
    "chatkeep.accounts.passwords.MAX_WAIT_SECONDS",
    "chatkeep.audit.trail.MAX_WAIT_SECONDS",
)


def be_patient(seconds: float) -> None:
    """Have this process wait for so long."""
    for limit in LIMITS:
        module, _, name = limit.rpartition(".")
        setattr(import_module(module), name, seconds)
