"""The keys that seal the ends of the chains, derived from the service's signing keys.

A seal says: the chain of hashes up to here was written by who has the key. Who can write to the database alone
cannot make one, and so can change, remove or add nothing without its showing.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from chatkeep.audit.events import GENESIS
from chatkeep.database.stored_json import object_of

# Keys for another purpose than the cookie's: what one signs is worth nothing as the other.
DERIVATION = b"chatkeep.audit.v1"
NAME_DERIVATION = b"chatkeep.audit.names.v1"
ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends.

    Args:
        seals: by the id of the key that made each.
    """

    chain: int
    seq: int
    hash: bytes
    seals: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_row(cls, chain: int, seq: int, row_hash: bytes, seals: Any) -> Self:
        """Return the head in a row; of seals that nobody here has written, none fits."""
        return cls(chain, seq, row_hash, {name: str(seal) for name, seal in object_of(seals).items()})

    @property
    def is_untouched(self) -> bool:
        return self.seq == 0 and self.hash == GENESIS and not self.seals


class SealingKeys:
    """All keys seal and any one of them is believed. So two processes that share one key can write the same chains
    while keys are exchanged one process after the other.

    Args:
        secrets: the service's signing keys, newest last.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        derived = [hmac.digest(secret.encode(), DERIVATION, "sha256") for secret in secrets]
        self._keys = {hashlib.sha256(b"id " + key).hexdigest()[:ID_CHARACTERS]: key for key in derived}
        self._name_keys = [hmac.digest(secret.encode(), NAME_DERIVATION, "sha256") for secret in secrets]

    def seals_for(self, chain: int, seq: int, row_hash: bytes) -> dict[str, str]:
        return {key_id: _seal(key, chain, seq, row_hash) for key_id, key in self._keys.items()}

    def fit(self, head: Head) -> bool:
        """Tell whether one of these keys sealed the chain as it ends now."""
        expected = self.seals_for(head.chain, head.seq, head.hash)
        given = {key_id: head.seals.get(key_id, "").encode() for key_id in expected}
        return any(hmac.compare_digest(seal.encode(), given[key_id]) for key_id, seal in expected.items())

    def know(self, head: Head) -> bool:
        """Tell whether one of these keys is among those that sealed the chain."""
        return not self._keys.keys().isdisjoint(head.seals)

    def know_none(self, heads: Sequence[Head]) -> bool:
        """Tell whether the trail was sealed with other keys alone; one chain alone is not, it was changed."""
        sealed = [head for head in heads if head.seals]
        return bool(sealed) and not any(map(self.know, sealed))

    def all_sealed(self, head: Head) -> bool:
        return self._keys.keys() <= head.seals.keys()

    def name_digest(self, typed: str) -> str:
        """Return a digest that tells that the same unknown name was tried again. It is keyed: people type passwords
        into the name field, and who reads this row could try them all.
        """
        return self._name(self._name_keys[-1], typed).hex()[:ID_CHARACTERS]

    def name_ids(self, name: str) -> list[UUID]:
        """Return the ids under which the deletion of an account of this name is found, newest key first.

        Keyed: the trail outlives the account and must not tell its name to somebody who tries likely ones.
        """
        return [UUID(bytes=self._name(key, f"deleted {name}")[:16], version=5) for key in reversed(self._name_keys)]

    @staticmethod
    def _name(key: bytes, text: str) -> bytes:
        return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")


def _seal(key: bytes, chain: int, seq: int, row_hash: bytes) -> str:
    return hmac.digest(key, f"{chain}:{seq}:{row_hash.hex()}".encode(), "sha256").hex()
