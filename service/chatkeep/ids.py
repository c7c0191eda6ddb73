"""Ids made in the application: UUIDv7, so that newer rows sort last and lie together on disk."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

_TIME_BITS = 48
_BELOW_TIME = 128 - _TIME_BITS


def new_id() -> UUID:
    """Return a new UUIDv7; within one process each is greater than the one before.

    Source: RFC 9562, section 5.7.
    """
    return uuid7()


def id_at(time: datetime, counter: int, chance: int) -> UUID:
    """Return a UUIDv7 of a moment that has been.

    Args:
        counter: twelve bits that order the ids of one millisecond.
        chance: 62 random bits.

    Source: RFC 9562, section 5.7.
    """
    return UUID(int=_milliseconds(time) << _BELOW_TIME | 0x7 << 76 | counter << 64 | 0b10 << 62 | chance)


def id_of(digest: bytes) -> UUID:
    """Return the UUIDv8 that a digest of 16 bytes or more decides; it says nothing about time.

    Source: RFC 9562, section 5.8.
    """
    chance = int.from_bytes(digest[:16]) & ~(0xF << 76 | 0b11 << 62)
    return UUID(int=chance | 0x8 << 76 | 0b10 << 62)


def earliest_id(time: datetime) -> UUID:
    """Return the least id that can be made at `time` or later; ids know milliseconds."""
    return UUID(int=_milliseconds(time) << _BELOW_TIME)


def latest_id(time: datetime) -> UUID:
    """Return the greatest id that can be made at `time` or earlier."""
    return UUID(int=(_milliseconds(time) + 1 << _BELOW_TIME) - 1)


def _milliseconds(time: datetime) -> int:
    milliseconds = int(time.timestamp() * 1000)
    return min(max(milliseconds, 0), (1 << _TIME_BITS) - 1)
