"""A model server's words about a failure, as far as people may read them."""

import re
from collections.abc import Sequence

MAX_QUOTE_CHARACTERS = 200
# A message longer than this is not looked at to its end.
MAX_READ_CHARACTERS = 2_000
# So many characters in a row that are also in the prompt are taken for a quotation of it.
QUOTATION_CHARACTERS = 12

_ADDRESS = re.compile(r"://|\b\d{1,3}(\.\d{1,3}){3}\b")
# Keys of the usual forms, also shortened ones, and digests of keys. A gateway may quote the key that it sends on, which
# this service does not know.
_KEY = re.compile(r"\bsk-[\w.*-]*[\w*]|\b(?:gsk|hf|nvapi|pk|xai)[-_]\w{16,}|\bBearer \S{16,}|\b[0-9a-fA-F]{32,}\b")
_MASK = "…"


def safe_quote(message: str, secrets: Sequence[str]) -> str:
    """Return `: “message”` to add to a sentence, or nothing where it would repeat a secret. Keys are masked.

    Servers that validate with pydantic quote the input in their errors, and with it the prompt.
    """
    # Masked before it is shortened: no half of a key is one that could be told.
    line = _KEY.sub(_MASK, _on_one_line(message[:MAX_READ_CHARACTERS]))[:MAX_QUOTE_CHARACTERS]
    escaped = "\\u" in line or "\\x" in line
    if not line.isprintable() or not line or escaped or _ADDRESS.search(line) or _leaks(line, secrets):
        return ""
    return f": “{line.rstrip('.')}”"


def _leaks(line: str, secrets: Sequence[str]) -> bool:
    texts = [_on_one_line(text) for text in secrets]
    last_start = max(1, len(line) - QUOTATION_CHARACTERS + 1)
    parts = {line[start : start + QUOTATION_CHARACTERS] for start in range(last_start)}
    return any(_is_in(text, line) or any(part in text for part in parts) for text in texts)


def _is_in(text: str, line: str) -> bool:
    """A prompt of one to three characters is in any sentence, and gives nothing away."""
    return len(text) > 3 and text in line


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
