"""Names that look like another: two names with a skeleton in common cannot be told apart at a glance.

Source: Unicode Technical Standard #39, section 4, Confusable Detection.
"""

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import resources

from chatkeep.accounts.usernames import username_key

# Unicode's confusables as a kept package has them: pairs of texts that look alike, either way round.
TABLE = ("homoglyphs_fork", "confusables.json")
# Stands around letters that are written from right to left, and shows nothing.
LEFT_TO_RIGHT_MARK = "\u200e"
DIGEST_BYTES = 16
# In front of skeletons of capitals; in no name.
CAPITALS = "\0"


def skeleton_digests(username: str) -> list[bytes]:
    """Return digests of which names that look alike share at least one: two or three of them.

    Capitals look like other letters than small ones do: `ALICE` is read as `alice` or, with small letters L, as
    `AllCE`; a Cyrillic capital М is a Latin M, while their small letters differ. So a name is compared as it is
    written, in small letters, and in capitals. Capitals are compared with capitals alone: in them `kai` and `kal`
    differ, while `KAI` as it is written looks like `kal`. Digests, since a skeleton can be much longer than its name.
    """
    written, key = unicodedata.normalize("NFKC", username), username_key(username)
    skeletons = {skeleton(written).casefold(), skeleton(key).casefold(), CAPITALS + skeleton(key.upper())}
    return sorted(hashlib.sha256(each.encode()).digest()[:DIGEST_BYTES] for each in skeletons)


def skeleton(text: str) -> str:
    """Return a text with the prototype of each character in its place."""
    shown = prototypes()
    return unicodedata.normalize("NFD", "".join(shown.get(each, each) for each in unicodedata.normalize("NFD", text)))


@cache
def prototypes() -> Mapping[str, str]:
    """Return the prototype of each character that looks like something else; reading the table takes some 50 ms."""
    return _closed(_direct(_neighbours()))


def _neighbours() -> Mapping[str, set[str]]:
    """Return the table as it is meant: each text with all that look like it."""
    package, name = TABLE
    table: Mapping[str, list[str]] = json.loads((resources.files(package) / name).read_text(encoding="utf-8"))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one, others in table.items():
        for other in others:
            first, second = one.replace(LEFT_TO_RIGHT_MARK, ""), other.replace(LEFT_TO_RIGHT_MARK, "")
            if first != second:
                found[first].add(second)
                found[second].add(first)
    return found


def _direct(neighbours: Mapping[str, set[str]]) -> dict[str, str]:
    """Return for each character the text that it is replaced by.

    All that look alike have one prototype, which looks like every one of them: it has the most neighbours. Where there
    are only two, it is the longer one (`rn` for `m`), or either.
    """
    found: dict[str, str] = {}
    for text, alike in neighbours.items():
        prototype = max({text, *alike}, key=lambda each: (len(neighbours[each]), len(each), each.isascii(), each))
        if len(text) == 1 and prototype != text:
            found[text] = prototype
    return found


def _closed(direct: Mapping[str, str]) -> dict[str, str]:
    """Replace in prototypes what has a prototype itself, so that one pass over a name is enough."""

    def whole(text: str, seen: frozenset[str]) -> str:
        parts = unicodedata.normalize("NFD", text)
        return "".join(
            whole(direct[each], seen | {each}) if each in direct and each not in seen else each for each in parts
        )

    return {each: whole(each, frozenset()) for each in direct}
