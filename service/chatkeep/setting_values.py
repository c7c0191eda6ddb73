"""Settings that hold several values in one text: lists with commas, and JSON."""

import json

from chatkeep.networks import parse_network


def split_at_commas(value: object) -> object:
    """Return the parts of a text; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def parse_networks(value: object) -> object:
    parts = split_at_commas(value)
    if not isinstance(parts, list | tuple):
        return parts
    return [parse_network(part) if isinstance(part, str) else part for part in parts]


def parse_json(value: object) -> object:
    """Return the value of a text that is JSON; anything else as it is.

    Raises:
        ValueError: it is not JSON, or names something twice.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, object_pairs_hook=_without_doubles)
    except _TwiceError:
        raise ValueError("names something twice: write each role once") from None
    except (ValueError, RecursionError):
        raise ValueError("is not JSON, such as .env.example shows") from None


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name that is there twice: JSON would take the last, by which conversations may be deleted."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


class _TwiceError(Exception):
    """A name is there twice in one object of JSON."""
