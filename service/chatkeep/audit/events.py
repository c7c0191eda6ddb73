"""One row of the trail: its columns, and the text of it that is hashed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

# The hash that the first row of a chain follows.
GENESIS = bytes(32)
FORMAT = 1

Details = Mapping[str, Any]
# The end of each chain as one row saw it: (chain, seq, hash in hex).
Anchor = list[tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Event:
    """Args:
    chain, seq: its place, from 1 on in each chain without a gap.
    prev_hash: of the row before it in its chain.
    actor_kind: `user`, `operator` (in the terminal), `service` (by itself) or `nobody` (not signed in).
    subject_ids: the accounts that it was done to, in order.
    details: whole numbers, flags, ids and words of a fixed list; never a secret, a name or what anybody wrote.
    heads: now and then, where all chains ended as this row was written.
    """

    id: UUID
    chain: int
    seq: int
    prev_hash: bytes
    created_at: datetime
    action: str
    actor_kind: str
    actor_id: UUID | None
    subject_ids: list[UUID]
    reason: str | None
    address: str | None
    request_id: str | None
    details: Details
    heads: Anchor | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__slots__})

    @property
    def number(self) -> str:
        """The row's place, under which it can be found: `3-1042`."""
        return f"{self.chain}-{self.seq}"

    def written(self) -> dict[str, Any]:
        """Return every column but the hash itself, as JSON has it."""
        return {
            "v": FORMAT,
            "id": str(self.id),
            "chain": self.chain,
            "seq": self.seq,
            "prev_hash": self.prev_hash.hex(),
            "created_at": _rfc3339(self.created_at),
            "action": self.action,
            "actor_kind": self.actor_kind,
            "actor_id": None if self.actor_id is None else str(self.actor_id),
            "subject_ids": [str(subject) for subject in self.subject_ids],
            "reason": self.reason,
            "address": self.address,
            "request_id": self.request_id,
            "details": self.details,
            "heads": self.heads,
        }

    def hash(self) -> bytes:
        """Return SHA-256 of the row as JSON: keys in order, no spaces, ASCII. Anybody can do it again, as with
        `jq -caS 'del(.hash)'`, since a row holds no fractions.
        """
        text = json.dumps(self.written(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with the hash that its row holds, which is the event's own unless somebody changed one of them.

    Args:
        found_by: how many of its subjects it is found by; None where that was not asked.
    """

    event: Event
    hash: bytes
    found_by: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        return cls(Event.from_row(row), row["hash"], row.get("found_by"))


def require_plain(value: object) -> None:
    """Refuse what JSON gives back in another form than it was given: the hash would no longer fit.

    Raises:
        TypeError: fractions, times, bytes and the like.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            require_plain(key)
            require_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            require_plain(inner)
    elif not (value is None or isinstance(value, (str, int))):
        raise TypeError(f"details of an audit row cannot hold {type(value).__name__}")


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
