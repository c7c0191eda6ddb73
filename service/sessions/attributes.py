"""What is in a session: a dict like any other, which can say what was changed in it."""

from collections.abc import Mapping
from typing import Any

from service.sessions.store import Changes
from service.sessions.values import fingerprints


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
        """Return what differs from what is kept."""
        now, before = fingerprints(self), self._before
        written = {name: self[name] for name, mark in now.items() if name not in before or before[name] != mark}
        return Changes(written, frozenset(before.keys() - now.keys()))

    def mark_kept(self) -> None:
        """Take what is in it now for what is kept."""
        self._before = fingerprints(self)
        self.was_cleared = False

    def begin_anew(self) -> None:
        """Take nothing for what is kept: all that is in it is new."""
        self._before = {}
        self.was_cleared = False

    def keep_only_changes(self) -> None:
        """Leave what this request wrote and nothing that was loaded; take nothing for what is kept."""
        written = self.changes().written
        super().clear()
        self.update(written)
        self.begin_anew()

    def take_over(self, kept: Mapping[str, Any], settled: Changes) -> None:
        """Show what is kept now, and on it what this request changed and has not saved.

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
