"""The work of ChatGPT before it answered: thoughts, calls of tools and their results, as parts of the reply.

A canvas is a call, too, and yet its document is what people asked for: it becomes text of the reply.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chatkeep.chat.items import reasoning_item
from chatkeep.transfer.formats.chatgpt_pictures import made_pictures
from chatkeep.transfer.formats.documents import document_text, without_words
from chatkeep.transfer.formats.fields import count_in, list_in, mapping_in, rest_of, text_in
from chatkeep.transfer.formats.parts import Part, call_item, json_in, output_item, with_rest

Nodes = Mapping[str, Mapping[str, Any]]
Rest = Mapping[str, Any] | None

THOUGHTS, RECAP = "thoughts", "reasoning_recap"
CREATE_DOCUMENT = "canmore.create_textdoc"
# A result is looked for this far below its call, and a summary this far below its thoughts.
MAX_STEPS_ABOVE = 20


def kind_of(message: Mapping[str, Any]) -> str | None:
    return text_in(mapping_in(message, "content"), "content_type")


def role_of(message: Mapping[str, Any]) -> str | None:
    return text_in(mapping_in(message, "author"), "role")


def is_thought(message: Mapping[str, Any]) -> bool:
    return role_of(message) == "assistant" and kind_of(message) == THOUGHTS


def is_call(message: Mapping[str, Any]) -> bool:
    return role_of(message) == "assistant" and text_in(message, "recipient") not in (None, "all", "")


def thought_seconds(nodes: Nodes) -> dict[str, int]:
    """Return how long the thoughts of some nodes took: a later message of the same answer says it."""
    found: dict[str, int] = {}
    for name, node in nodes.items():
        message = mapping_in(node, "message")
        seconds = count_in(mapping_in(message, "metadata"), "finished_duration_sec")
        if kind_of(message) == RECAP and seconds is not None and (above := name_above(nodes, name, is_thought)):
            found[above] = seconds
    return found


def name_above(nodes: Nodes, name: str, fits: Callable[[Mapping[str, Any]], bool]) -> str | None:
    """Return the nearest node above of the same answer whose message fits."""
    above = text_in(nodes[name], "parent")
    for _ in range(MAX_STEPS_ABOVE):
        message = mapping_in(nodes.get(above or ""), "message")
        if above is None or role_of(message) == "user":
            return None
        if fits(message):
            return above
        above = text_in(nodes.get(above, {}), "parent")
    return None


def thought_parts(message: Mapping[str, Any], seconds: int | None, rest: Rest) -> Iterator[Part]:
    thoughts = [each for each in list_in(mapping_in(message, "content"), "thoughts") if isinstance(each, dict)]
    words = ("\n".join(filter(None, (text_in(each, "summary"), text_in(each, "content")))) for each in thoughts)
    item = reasoning_item("\n\n".join(filter(None, words)), "think", seconds)
    if item["text"] or rest:
        yield with_rest(item, rest)


def rest_of_thoughts(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rest of the content of thoughts beside their words; `chunks` are these again, in pieces."""
    thoughts = [_rest_of_thought(each) if isinstance(each, dict) else each for each in list_in(content, "thoughts")]
    listed = isinstance(content.get("thoughts"), list)
    rest = {
        name: each for name, each in content.items() if name != "content_type" and not (name == "thoughts" and listed)
    }
    return rest_of({**rest, "of_thoughts": thoughts})


def _rest_of_thought(thought: Mapping[str, Any]) -> dict[str, Any]:
    words = text_in(thought, "content") or ""
    again = all(isinstance(each, str) and each in words for each in list_in(thought, "chunks"))
    read: dict[str, Any] = {"summary": text_in, "content": text_in, "finished": lambda value, name: value[name] is True}
    return rest_of(thought, read | ({"chunks": list_in} if again else {}))


def call_parts(name: str, message: Mapping[str, Any], words: str, rest: Rest) -> Iterator[Part]:
    recipient = text_in(message, "recipient") or ""
    document = json_in(words) if recipient == CREATE_DOCUMENT else None
    arguments: object = words
    if isinstance(document, dict) and isinstance(document.get("content"), str) and document["content"]:
        yield document_text(document) or ""
        arguments = without_words(document)
    yield with_rest(call_item(name, recipient, arguments), rest)


def output_parts(call_id: str, message: Mapping[str, Any], output: object, rest: Rest) -> Iterator[Part]:
    yield with_rest(output_item(call_id, output), rest)
    yield from made_pictures(message)
    yield from reports_in(message)


def reports_in(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report that a message shows in a widget, as deep research does: JSON within its metadata."""
    told = mapping_in(message, "metadata", "chatgpt_sdk").get("widget_state")
    state = json_in(told) if isinstance(told, str) else told
    for name in ("report_message", "report", "message"):
        report = mapping_in(state, name)
        parts = list_in(mapping_in(report, "content"), "parts")
        if words := "\n".join(part for part in parts if isinstance(part, str)) or text_in(report, "content") or "":
            yield words
            return
