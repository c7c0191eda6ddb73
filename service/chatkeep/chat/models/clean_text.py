"""Model output as PostgreSQL can keep it."""

from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class OutputCleaner:
    """Puts U+FFFD in place of U+0000 and of lone surrogates, over a text that comes in pieces.

    JSON escapes a character beyond U+FFFF as two surrogates, and a server that streams token by token may
    send one in each of two pieces: the first is held back until the second is there, and the two become one
    character.

    Source: PostgreSQL manual 8.3, Character Types; RFC 8259, section 7.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that is sure by now; it may be empty."""
        if piece.isascii() and not self._held:  # as most are
            return piece.replace("\x00", REPLACEMENT)
        text = self._held + piece
        self._held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return clean_output(text.removesuffix(self._held))

    def finish(self) -> str:
        """Return the rest at the end of the reply."""
        text, self._held = self._held, ""
        return clean_output(text)


def clean_output(text: str) -> str:
    """Return a whole text with paired surrogates joined, lone ones and U+0000 replaced."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", REPLACEMENT)


def clean_value(value: Any) -> Any:
    """Return a value of JSON with every text in it as `clean_output` leaves it, names included."""
    if isinstance(value, str):
        return clean_output(value)
    if isinstance(value, dict):
        return {clean_output(name): clean_value(each) for name, each in value.items()}
    return [clean_value(each) for each in value] if isinstance(value, list) else value
