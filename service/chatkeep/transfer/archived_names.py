"""Names of files in a ZIP, by which the conversations beside them call them.

This service's own are `files/<id>.<type>`. ChatGPT's begin with their id, in whichever folder: `file-<id>-<name>`,
`dalle-generations/file-<id>-<id>.webp`, `user-<id>/file_<id>-<id>.png`.
"""

import re

_OWN = re.compile(r"(?:.*/)?files/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z]{1,8})?")
_CHATGPT = re.compile(r"(?:.*/)?(file[-_][A-Za-z0-9]+)(?:[-._].*)?", re.DOTALL)


def file_id_in(name: str) -> str | None:
    """Return the id that a conversation calls a file by; None where none would."""
    found = _OWN.fullmatch(name) or _CHATGPT.fullmatch(name)
    return found[1] if found else None


def is_own_name(name: str) -> bool:
    return _OWN.fullmatch(name) is not None
