"""A turn without one of its items. The others keep their numbers, and so their ids: a mark stands in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatkeep.chat.items import AnyItem, JsonItem, text_item
from chatkeep.chat.schemas import Turn
from chatkeep.errors import NotFound
from chatkeep.openai.output_items import DELETED, input_count, message_of


@dataclass(frozen=True, slots=True)
class TurnContent:
    """The texts and items of a turn.

    Args:
        is_empty: nothing is left of it.
    """

    prompt: str
    prompt_items: Sequence[AnyItem] | None
    reply: str
    reply_items: Sequence[AnyItem] | None
    is_empty: bool = False


NOTHING = TurnContent("", None, "", None, is_empty=True)


def without(turn: Turn, number: int) -> TurnContent:
    """Return the rest of a turn without the item of a number; of a message, without all of its parts.

    Raises:
        NotFound: it has no such item, or that was deleted.
    """
    prompt, asked = turn.prompt.content, _all_items(turn.prompt.content, turn.prompt.items)
    reply = turn.reply.content if turn.reply else ""
    said = _all_items(reply, turn.reply.items if turn.reply else None)
    first = input_count(turn)
    items, place = (asked, number) if number < first else (said, number - first)
    if place >= len(items) or items[place]["type"] == DELETED:
        raise NotFound
    if items is asked:
        prompt, asked = _rewritten(prompt, asked, _parts_of(asked, place), "\n\n")
    else:
        reply, said = _rewritten(reply, said, range(place, place + 1), "")
    is_empty = all(item["type"] == DELETED for item in (*asked, *said))
    return TurnContent(prompt, asked or None, reply, said or None, is_empty=is_empty)


def _all_items(text: str, items: Sequence[AnyItem] | None) -> Sequence[AnyItem]:
    return items if items is not None else [text_item(0, len(text))] if text else []


def _parts_of(items: Sequence[AnyItem], number: int) -> range:
    """Return the numbers of the parts of the message that begins there."""
    mark, end = message_of(items[number]), number + 1
    while mark is not None and end < len(items) and message_of(items[end]) == mark:
        end += 1
    return range(number, end)


def _rewritten(text: str, items: Sequence[AnyItem], gone: range, between: str) -> tuple[str, list[JsonItem]]:
    written = ""
    kept: list[JsonItem] = []
    for number, item in enumerate(items):
        if number in gone:
            kept.append({"type": DELETED})
            continue
        match item:
            case {"type": "message", "start": int(start), "end": int(end)}:
                part = text[start:end]
                start = len(written) + (len(between) if written and part else 0)
                written += (between if written and part else "") + part
                kept.append({**item, "start": start, "end": start + len(part)})
            case _:
                kept.append(dict(item))
    return written, kept
