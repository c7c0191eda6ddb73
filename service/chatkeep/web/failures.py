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
ADVICE = "failure_advice"
# Ours are shorter; a failure in an imported file may have any length.
MAX_CHARACTERS = 1_000
_SENTENCE = re.compile(r"(?<=[.。])(?:\s+|(?<=。))")
_FOR_OPERATORS = re.compile(r"CHATKEEP_|SSL_CERT_FILE|[Tt]he operator should|運用担当者")
_PART = re.compile(r"\{(\w+)\}")
# The forms of the parts that are filled in; all others are any text.
_FORMS = {"status": r"\d+", "seconds": r"\d+", "said": r"(?:: “.*”)?"}


def with_failures_in(language: str, turns: Sequence[AnyTurn], *, operator: bool) -> list[AnyTurn]:
    """Return turns with the sentences of those that failed in a language.

    Args:
        operator: whether the reader is one. Others cannot set a variable, and are told whom to tell.
    """
    return [_told(language, turn, operator=operator) if turn.error is not None else turn for turn in turns]


def _told(language: str, turn: AnyTurn, *, operator: bool) -> AnyTurn:
    detail = failure_in(language, turn.error.detail if turn.error else "")
    told = detail if operator else without_settings(language, detail)
    error = turn.error and turn.error.model_copy(update={"detail": told})
    return turn.model_copy(update={"error": error})


def without_settings(language: str, detail: str) -> str:
    """Return a failure with one sentence in place of those that are about the service's settings."""
    kept = [each for each in _SENTENCE.split(detail) if not _FOR_OPERATORS.search(each)]
    if len(kept) == len(_SENTENCE.split(detail)):
        return detail
    return (" " if language == "en" else "").join([*kept, texts_of_group(ADVICE, language)["tell_administrator"]])


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
    return tuple(
        (_pattern(text), words[name])
        for name, text in texts_of_group(GROUP, "en").items()
        if name != "failure_for_operator"
    )


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return the form of a sentence, with its parts as groups."""
    texts_and_names = _PART.split(sentence)
    found = [
        f"(?P<{each}>{_FORMS.get(each, '.*?')})" if at % 2 else re.escape(each)
        for at, each in enumerate(texts_and_names)
    ]
    return re.compile("".join(found), re.DOTALL)
