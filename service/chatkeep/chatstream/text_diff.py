"""The addition of each of ChatStream's whole texts to the one before."""

from collections.abc import Sequence

import structlog

log = structlog.get_logger(__name__)

# A tokenizer's output for the first bytes of a character whose others are still to come.
INCOMPLETE = "\ufffd"


class DeltaExtractor:
    """Turns texts that grow into additions, which are written down and sent.

    What was given out stands: it is kept and seen. So what may still change is held back until it is followed by
    more: blanks that are trimmed at the end, the first bytes of a character, the beginning of a passing string.

    Args:
        passing: strings that never stay in a reply: those that end it, and those that are replaced.
    """

    def __init__(self, passing: Sequence[str] = ()) -> None:
        self._passing = [each for each in passing if each]
        self._taken = ""
        self._newest = ""

    def add(self, whole: str) -> str:
        """Return the new part that will not change."""
        self._newest = whole
        return self._take(self._stable(whole))

    def finish(self, whole: str | None) -> str:
        """Return the rest; where the reply ended as another one than was given out, all of that.

        Args:
            whole: the reply as it ended; None or "" where only the texts on the way are known.
        """
        text = whole or self._newest
        if text.startswith(self._taken) or self._taken.startswith(text):
            return self._take(text)
        log.warning("reply_was_rewritten", characters=len(self._taken))
        return f"\n\n{text}"

    def _take(self, text: str) -> str:
        if not text.startswith(self._taken):
            return ""
        added = text[len(self._taken) :]
        self._taken = text
        return added

    def _stable(self, whole: str) -> str:
        text = whole.rstrip().rstrip(INCOMPLETE)
        for each in self._passing:
            text = text[: len(text) - _begun(each, text)]
        return text.rstrip()


def _begun(passing: str, text: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `passing`."""
    lengths = range(min(len(passing), len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(passing[:length])), 0)
