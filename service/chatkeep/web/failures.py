"""The sentences about a failed answer in the reader's language.

A failure is kept as this service wrote it, in English: replicas, exports and the API share it. Its sentences are known
again by their English form. The model server's own words in them, and sentences of other models, stay as they are.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from chatkeep.chat.schemas import Turn
from chatkeep.web.translations import texts_of_group

AnyTurn = TypeVar("AnyTurn", bound=Turn)

GROUP = "failures"
# Ours are shorter; a failure in an imported file may have any length.
MAX_CHARACTERS = 1_000
_PART = re.compile(r"\{(\w+)\}")
# The forms of the parts that are filled in; all others are any text.
_FORMS = {"status": r"\d+", "seconds": r"\d+", "said": r"(?:: “.*”)?"}


def with_failures_in(language: str, turns: Sequence[AnyTurn]) -> list[AnyTurn]:
    """Return turns with the sentences of those that failed in a language."""
    return [_told(language, turn) if turn.error is not None else turn for turn in turns]


def _told(language: str, turn: AnyTurn) -> AnyTurn:
    error = turn.error and turn.error.model_copy(update={"detail": failure_in(language, turn.error.detail)})
    return turn.model_copy(update={"error": error})


def failure_in(language: str, detail: str) -> str:
    """Return a sentence of this service in a language; any other as it is."""
    if language == "en" or len(detail) > MAX_CHARACTERS:
        return detail
    for pattern, words in _sentences(language):
        if found := pattern.fullmatch(detail):
            parts = found.groupdict()
            if "error" in parts:
                parts["error"] = failure_in(language, parts["error"])
            return _PART.sub(lambda part, parts=parts: parts[part[1]], words)  # type: ignore[misc]  # its default
    return detail


@cache
def _sentences(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    words = texts_of_group(GROUP, language)
    return tuple((_pattern(text), words[name]) for name, text in texts_of_group(GROUP, "en").items())


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return the form of a sentence, with its parts as groups."""
    texts_and_names = _PART.split(sentence)
    found = [
        f"(?P<{each}>{_FORMS.get(each, '.*?')})" if at % 2 else re.escape(each)
        for at, each in enumerate(texts_and_names)
    ]
    return re.compile("".join(found), re.DOTALL)
