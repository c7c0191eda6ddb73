"""Names of files in a ZIP that Windows, macOS and Linux all take.

Source: Microsoft, Naming Files, Paths, and Namespaces; 255 bytes of UTF-8 (ext4) and UTF-16 (APFS, NTFS) for a name.
"""

import unicodedata

from chatkeep.http.downloads import safe_stem

# Of four bytes each, with a number and a suffix: fewer than 255. A path of Windows has 260 in all.
MAX_CHARACTERS = 50


def name_in_archive(number: int, title: str) -> str:
    """Return the name of a conversation's files without their suffix: no two are the same, and none is reserved."""
    stem = safe_stem(unicodedata.normalize("NFC", title))[:MAX_CHARACTERS].strip(" .")
    return f"{number:05d} {stem}".strip()
