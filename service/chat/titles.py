"""What a conversation is called until somebody names it."""

import unicodedata

LONGEST_TITLE = 60


def title_from(prompt: str) -> str | None:
    """Return the first words of a prompt as a title, on one line."""
    line = " ".join(prompt[: LONGEST_TITLE * 8].split())
    line = "".join(character for character in line if unicodedata.category(character) != "Cc")
    if len(line) <= LONGEST_TITLE:
        return line or None
    cut = line[:LONGEST_TITLE]
    words = cut.rpartition(" ")[0]
    return f"{words if len(words) > LONGEST_TITLE // 2 else cut}…"
