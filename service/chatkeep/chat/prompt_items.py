"""The text and the items of a prompt, as it is asked for and as it is kept."""

from collections.abc import Sequence

from chatkeep.chat.items import AnyItem, text_item
from chatkeep.errors import Invalid


def prompt_of(content: str, items: Sequence[AnyItem] | None) -> tuple[str, Sequence[AnyItem] | None]:
    """Return a prompt's text and its items, in which the text is not repeated.

    Args:
        items: those of files refer to them already, see `chatkeep.chat.files.attachments`.
        content: its text; it may be in `items` instead, as items of the type `message`, and comes last otherwise.

    Raises:
        Invalid: text is in both, or a message among the items has none.
    """
    if items is None:
        return content, None
    texts = [item for item in items if item["type"] == "message"]
    if texts and content:
        raise Invalid("The text of a prompt is in `content` or in `items`, and not in both.")
    if not all(isinstance(item.get("text"), str) for item in texts):
        raise Invalid("A message among the items of a prompt has a `text`.")
    if not texts:
        return content, [*items, *([text_item(0, len(content))] if content else [])]
    kept: list[AnyItem] = []
    said = ""
    for item in items:
        if item["type"] != "message":
            kept.append(item)
            continue
        start = len(said)
        said += item["text"] if not said else f"\n\n{item['text']}"
        kept.append(text_item(start, len(said)))
    # Of nothing but text there are no items.
    return said, kept if len(texts) < len(items) else None
