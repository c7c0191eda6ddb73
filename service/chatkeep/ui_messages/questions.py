"""The question in a client's messages: where it goes on, and what is new.

The client sends all that it shows. The last of its assistant's messages that is kept says where to go on; what comes
after it is the prompt. So an edit, another answer and a changed history are branches, without a word of their own.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chatkeep.openai.ids import FILE, to_text
from chatkeep.ui_messages.schemas import UiMessage

Item = dict[str, Any]

# Assistant's messages from the end that are looked for: an older one of this service's is always followed by others.
MAX_LOOKED_FOR = 64
FILE_ADDRESS = re.compile(r"/api/v1/files/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/content$")
_ANSWERED = ("output-available", "output-error")


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and its place.

    Args:
        parent_id: the turn to go on from; None begins at the root.
        items: the prompt, as input items of a response.
        message_id: the client's id of the assistant's message that the reply belongs to; None where that is a new one.
    """

    parent_id: UUID | None
    items: Sequence[Item]
    instructions: str | None
    message_id: str | None = None


def turn_ids_in(messages: Sequence[UiMessage]) -> list[UUID]:
    """Return the turns that the assistant's messages name, the last one first."""
    named = (turn_id_of(message) for message in reversed(messages) if message.role == "assistant")
    return list(dict.fromkeys(each for each in named if each is not None))[:MAX_LOOKED_FOR]


def turn_id_of(message: UiMessage) -> UUID | None:
    """Return the last turn of a message: the one that its metadata names, or else its id."""
    told = message.metadata.get("turn_id") if isinstance(message.metadata, Mapping) else None
    return to_id(told) or to_id(message.id)


def to_id(text: object) -> UUID | None:
    """Return a text as an id; None where it is none."""
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def question_in(messages: Sequence[UiMessage], kept: Collection[UUID]) -> Question:
    """Return the question in messages.

    Args:
        kept: those of the turns in them that are turns of the conversation.
    """
    first = next((number for number, message in enumerate(messages) if message.role != "system"), len(messages))
    told, said = messages[:first], messages[first:]
    at = next((number for number in reversed(range(len(said))) if _is_kept(said[number], kept)), None)
    anchor = None if at is None else said[at]
    new = said if at is None else said[at + 1 :]
    outputs = [] if anchor is None else list(_outputs(_last_step(anchor.parts)))
    return Question(
        parent_id=None if anchor is None else turn_id_of(anchor),
        items=[*outputs, *items_of(new)],
        instructions="\n\n".join(_text(message) for message in told) or None,
        message_id=messages[-1].id if messages[-1].role == "assistant" else None,
    )


def _is_kept(message: UiMessage, kept: Collection[UUID]) -> bool:
    return message.role == "assistant" and turn_id_of(message) in kept


def items_of(messages: Sequence[UiMessage]) -> list[Item]:
    """Return messages as input items of a response."""
    return [item for message in messages for item in _items(message)]


def _items(message: UiMessage) -> Iterator[Item]:
    if message.role == "assistant":
        yield from _said_items(message.parts)
        return
    content = [part for each in message.parts if (part := _content_part(each)) is not None]
    if content:
        yield {"type": "message", "role": message.role, "content": content}


def _content_part(part: Mapping[str, Any]) -> Item | None:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": "input_text", "text": text}
        case {"type": "file", "url": str(url)}:
            return _file_part(url, str(part.get("mediaType") or ""), part.get("filename"))
    return None


def _file_part(url: str, media_type: str, name: object) -> Item:
    is_image = media_type.startswith("image/")
    part: Item = {"type": "input_image" if is_image else "input_file"}
    if isinstance(name, str) and not is_image:
        part["filename"] = name
    if kept := FILE_ADDRESS.search(url):
        return part | {"file_id": to_text(FILE, UUID(kept[1]))}
    return part | {"image_url" if is_image else "file_data": url}


def _said_items(parts: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """Yield the items of an assistant's message that is not kept here."""
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)} if text:
                yield {"type": "message", "role": "assistant", "content": text}
            case {"type": "reasoning", "text": str(text)} if text:
                yield {"type": "reasoning", "content": [{"type": "reasoning_text", "text": text}], "summary": []}
            case {"toolCallId": str(call_id)}:
                arguments = json.dumps(part.get("input") or {}, ensure_ascii=False)
                yield {"type": "function_call", "call_id": call_id, "name": tool_of(part), "arguments": arguments}
                yield from _outputs([part])


def tool_of(part: Mapping[str, Any]) -> str:
    """Return the name of the tool that a part calls."""
    return str(part.get("toolName") or str(part.get("type")).removeprefix("tool-"))


def _last_step(parts: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    begun = [number for number, part in enumerate(parts) if part.get("type") == "step-start"]
    return parts[begun[-1] :] if begun else parts


def _outputs(parts: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    for part in parts:
        call_id = part.get("toolCallId")
        if isinstance(call_id, str) and part.get("state") in _ANSWERED:
            yield {"type": "function_call_output", "call_id": call_id, "output": _output(part)}


def _output(part: Mapping[str, Any]) -> str:
    said = part.get("output") if part.get("state") == "output-available" else part.get("errorText")
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _text(message: UiMessage) -> str:
    return "\n\n".join(str(part["text"]) for part in message.parts if isinstance(part.get("text"), str))
