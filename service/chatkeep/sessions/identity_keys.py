"""Which attributes say who is signed in: where they name somebody else than before, or nobody, the id changes.

An application that calls `change_id()` wherever somebody signs in does not need this. It is for those that were
written for a library without it, and would otherwise sign the victim in under an id that an attacker planted.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from chatkeep.sessions.attributes import fingerprint

SIGN_IN_KEYS = frozenset(
    {
        "_user_id",
        "account",
        "account_id",
        "authenticated",
        "is_admin",
        "is_authenticated",
        "logged_in",
        "role",
        "roles",
        "uid",
        "user",
        "user_id",
        "userid",
        "username",
    }
)
# Of a user that is kept as a dict, what makes it another user; the rest may change without a new id.
IDENTITY_FIELDS = ("id", "user_id", "uid", "sub", "username", "name", "email", "role", "roles", "is_admin")

Identities: TypeAlias = Mapping[str, object]


def identities(attributes: Mapping[str, Any], keys: AbstractSet[str]) -> Identities:
    """Return a mark of who each of `keys` names."""
    return {name: _mark(attributes[name]) for name in keys & attributes.keys()}


def only_signs_out(before: Identities, now: Identities) -> bool:
    """Whether nobody is named who was not named before."""
    return now.items() <= before.items()


def _mark(value: Any) -> object:
    if not isinstance(value, Mapping):
        return fingerprint(value)
    fields = {name: value[name] for name in IDENTITY_FIELDS if name in value}
    return fingerprint(fields or dict(value))
