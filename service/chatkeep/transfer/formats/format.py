"""A format: how a conversation of another program is recognized, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatkeep.transfer.imported import ImportedConversation


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Args:
        source: part of the key by which a conversation is known again; never changed.
        program: its name, for people.
        fits: tells whether a value is a conversation of it, by what its messages hold.
        keys: a value without any of these is not looked at: most values are of one format.
        read: raises `Unreadable` where it cannot be kept.
    """

    source: str
    program: str
    fits: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], ImportedConversation]
    keys: frozenset[str]
