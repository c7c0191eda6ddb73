"""Owners of the conversations of files, where they come from: an administrator's export is of several people.

Their chats in one account are rarely meant, and cannot be told apart there afterwards.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from chatkeep.errors import SeveralOwners
from chatkeep.transfer.archive import NamedFile, values_in
from chatkeep.transfer.collections_of_chats import conversations_in
from chatkeep.transfer.formats.fields import text_in
from chatkeep.transfer.json_stream import Value

NAMES = ("username", "user_id", "userId")
# Take the conversations of everybody.
ALL = "*"
MAX_NAMED = 10


def owner_of(conversation: Mapping[str, Any]) -> str | None:
    return next((found for name in NAMES if (found := text_in(conversation, name))), None)


def owners_in(files: Sequence[NamedFile], *, max_bytes: int, check: Callable[[], None]) -> Counter[str]:
    """Return the number of conversations of each owner. Raises: as `values_in`."""
    found: Counter[str] = Counter()
    for file in files:
        for _, value in values_in(file.file, max_bytes=max_bytes, check=check):
            if isinstance(value, Value):
                found.update(owner for each, _ in conversations_in(value.parsed) if (owner := _owner(each)))
    return found


def _owner(value: Any) -> str | None:
    return owner_of(value) if isinstance(value, dict) else None


def require_one_owner(found: Mapping[str, int]) -> None:
    """Refuse the conversations of several people.

    Raises:
        SeveralOwners: says whose they are.
    """
    if len(found) < 2:
        return
    named = [f"{owner} ({count})" for owner, count in sorted(found.items())]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    raise SeveralOwners(
        f"These are conversations of {len(found)} people: {', '.join(named[:MAX_NAMED])}{more}. "
        "Say whose are meant with `owner`, or `*` for everybody's.",
        found,
    )


def is_wanted(owner: str | None, wanted: Collection[str]) -> bool:
    """Tell whether a conversation is to be imported.

    Args:
        wanted: owners; empty, or with `ALL`: everybody.
    """
    return not wanted or ALL in wanted or owner in wanted
