"""The cost of a reply, in the words of the servers that tell it."""

from collections.abc import Mapping

from chatkeep.chat.models.pieces import Usage

MAX_TOKENS_COUNTED = 2**31 - 1


def read_usage(value: object) -> Usage | None:
    """Return the counts; None where they are absent or odd, or 0 and 0, which is no reason to lose a reply."""
    if not isinstance(value, Mapping):
        return None
    asked = _count(value, "prompt_tokens", "input_tokens")
    answered = _count(value, "completion_tokens", "output_tokens")
    if asked is None or answered is None or asked == answered == 0:
        return None
    cached = _detail(value, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reasoning = _detail(value, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    return Usage(
        asked,
        answered,
        _count(value, "prompt_cache_hit_tokens") if cached is None else cached,
        _count(value, "reasoning_tokens") if reasoning is None else reasoning,
    )


def _detail(value: Mapping[str, object], places: tuple[str, ...], name: str) -> int | None:
    details = (value.get(place) for place in places)
    counts = (_count(each, name) for each in details if isinstance(each, Mapping))
    return next((count for count in counts if count is not None), None)


def _count(value: Mapping[str, object], *names: str) -> int | None:
    for name in names:
        count = value.get(name)
        if isinstance(count, float) and count.is_integer():
            count = int(count)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_TOKENS_COUNTED:
            return count
    return None
