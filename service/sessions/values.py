"""Copies of attributes' values, and marks by which a value that was changed in place is told from one that was not.

A session may hold any Python object as long as its store keeps it in memory. Two requests must not work on one
object, and a request that only reads must not write back an old value over another's newer one; so every request
gets copies, and only what differs from its mark is saved. Only this process's own objects are ever pickled, and
only its own pickles are read: nothing that was sent or stored is.
"""

import pickle
from collections.abc import Mapping
from typing import Any

_PLAIN = (str, int, bool, bytes, type(None))


def fingerprint(value: object) -> object:
    """Return a mark that is equal as long as the value is; one that cannot be copied is marked by what it is."""
    if type(value) in _PLAIN:
        return type(value), value
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  an object's own code runs here and may raise anything
        return object, id(value)


def fingerprints(values: Mapping[str, object]) -> dict[str, object]:
    return {name: fingerprint(value) for name, value in values.items()}


def copied(value: Any) -> Any:
    """Return a copy of the value, or the value itself where it cannot be copied: a lock, a connection, a lambda."""
    if type(value) in _PLAIN:
        return value
    try:
        return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))  # noqa: S301  made one call earlier
    except Exception:  # noqa: BLE001  as above
        return value


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: copied(value) for name, value in values.items()}
