"""A session's attributes: a dict like any other, which can say what was changed in it."""

import pickle
from collections.abc import Mapping
from typing import Any

from chatkeep.sessions.store import Changes

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


def copy_value(value: Any) -> Any:
    """Return a copy of the value, or the value itself where it cannot be copied: a lock, a connection, a lambda."""
    if type(value) in _PLAIN:
        return value
    try:
        return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))  # noqa: S301  made one call earlier
    except Exception:  # noqa: BLE001  as above
        return value


def copy_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: copy_value(value) for name, value in values.items()}


class Attributes(dict[str, Any]):
    """A request's own copy of what the session holds.

    Values that are changed in place count as changed, too: `session["cart"].append(…)` is saved.
    """

    __slots__ = ("_before", "was_cleared")

    def __init__(self, loaded: Mapping[str, Any] | None = None) -> None:
        super().__init__(loaded or {})
        self.mark_kept()

    def clear(self) -> None:
        """Empty it, and have the session begin again under another id: this is how many applications sign out."""
        super().clear()
        self.was_cleared = True

    def changes(self) -> Changes:
        """Return the changes since the session was loaded or saved."""
        now, before = fingerprints(self), self._before
        written = {name: self[name] for name, mark in now.items() if name not in before or before[name] != mark}
        return Changes(written, frozenset(before.keys() - now.keys()))

    def mark_kept(self) -> None:
        """Take its present state for the stored one."""
        self._before = fingerprints(self)
        self.was_cleared = False

    def begin_anew(self) -> None:
        """Take the stored state for empty: all that is in it is new."""
        self._before = {}
        self.was_cleared = False

    def keep_only_changes(self) -> None:
        """Leave what this request wrote and nothing that was loaded; take the stored state for empty."""
        written = self.changes().written
        super().clear()
        self.update(written)
        self.begin_anew()

    def take_over(self, kept: Mapping[str, Any], settled: Changes) -> None:
        """Show the stored state, and on it the changes of this request that are not saved.

        Args:
            settled: changes that were kept just now; what the request had done to the same names is over.
        """
        pending = self.changes().without(settled)
        super().clear()
        self.update(kept)
        self.mark_kept()
        self.update(pending.written)
        for name in pending.removed:
            self.pop(name, None)
