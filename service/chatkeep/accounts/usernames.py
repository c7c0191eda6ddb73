"""Names that people sign in with: one identity a name, however it is typed."""

import unicodedata

from chatkeep.errors import Invalid
from chatkeep.folding.folding import bare, fold

MAX_CHARACTERS = 64

# Control, format, surrogate, private and unassigned characters, and every kind of space: two names that
# differ only in them look the same.
_REFUSED_CATEGORIES = ("C", "Z")
# Characters of other categories that show nothing: joiners, fillers, variation selectors, blanks.
# Source: Unicode, DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0x1D159, 0x1D159),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)


def username_key(username: str) -> str:
    """Return a key that is equal for two spellings of one name: case, width and normal form do not count.

    Source: Unicode, section 3.13, NFKC and case folding, applied until nothing changes.
    """
    key = username
    while (folded := unicodedata.normalize("NFKC", key).casefold()) != key:
        key = folded
    return key


def require_username(username: str) -> str:
    """Return `username` as it is.

    Raises:
        Invalid: empty, too long, or with characters that cannot be seen.
    """
    if not 1 <= len(username) <= MAX_CHARACTERS:
        raise Invalid(f"A username has 1 to {MAX_CHARACTERS} characters.")
    if any(map(_is_unseen, username + username_key(username))):
        raise Invalid("A username has no spaces and no invisible characters.")
    return username


def _is_unseen(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character)[0] in _REFUSED_CATEGORIES


def character_pairs(*texts: str | None) -> list[str]:
    """Return the neighbouring characters of each text, for search by part: folded as a username is, and for search.

    Older accounts have those of the first kind alone, unless a migration has found the others.
    """
    keys = [fold_name(text) for text in texts if text for fold_name in (username_key, search_key)]
    return sorted({pair for key in keys for pair in pairs_of_key(key)})


def pairs_of_key(key: str) -> list[str]:
    return [key[start : start + 2] for start in range(len(key) - 1)]


def search_key(name: str) -> str:
    """Return a name as it is looked for, without accents and the like."""
    return bare(fold(name))
