"""Fields of ChatGPT's messages that have no place in a turn, nor in its conversation: they are set aside."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.chatgpt_citations import CITATIONS, REFERENCES
from chatkeep.transfer.formats.fields import (
    Reader,
    count_in,
    id_in,
    list_in,
    mapping_in,
    rest_of,
    text_in,
    time_in,
    unread,
)

STATUSES = {"in_progress": "interrupted", "finished_partial_completion": "interrupted"}


def _is_finished(metadata: Mapping[str, Any], name: str) -> bool:
    return mapping_in(metadata, name).get("type") == "stop"


# Of a conversation and of a message that has a place in a turn: what is kept elsewhere, or says nothing to anybody.
CONVERSATION: dict[str, Reader] = {
    "id": unread,
    "conversation_id": id_in,
    "title": text_in,
    "create_time": time_in,
    "update_time": time_in,
    "mapping": unread,
    "current_node": unread,
}
_MESSAGE: dict[str, Reader] = {
    "id": unread,
    "author": mapping_in,
    "create_time": time_in,
    "update_time": time_in,
    "content": mapping_in,
    "metadata": mapping_in,
    "status": lambda message, name: message[name] in ("finished_successfully", *STATUSES),
    "end_turn": unread,
    "weight": unread,
    "recipient": lambda message, name: message[name] == "all",
}
METADATA: dict[str, Reader] = {
    "default_model_slug": unread,
    "parent_id": unread,
    "request_id": unread,
    "turn_exchange_id": unread,
    "message_type": unread,
    "timestamp_": unread,
    "rebase_system_message": unread,
    "is_visually_hidden_from_conversation": unread,
    "finish_details": _is_finished,
    "is_complete": lambda metadata, name: metadata[name] is True,
}
METADATA_OF_REPLY: dict[str, Reader] = {**METADATA, "model_slug": text_in}
METADATA_OF_RECAP: dict[str, Reader] = {**METADATA_OF_REPLY, "finished_duration_sec": count_in}
CITED: dict[str, Reader] = {REFERENCES: list_in, CITATIONS: list_in}
_CONTENT: dict[str, Reader] = {"content_type": unread, "parts": list_in}
_NODE: dict[str, Reader] = {"id": unread, "parent": unread, "children": unread, "message": mapping_in}


def words_of_parts(content: Mapping[str, Any]) -> str:
    return "\n".join(words for part in list_in(content, "parts") if (words := _words_of_part(part)))


def _words_of_part(part: Any) -> str:
    """A part is a text, or an object: an image, a file, or speech with its text."""
    if isinstance(part, str):
        return part
    is_speech = isinstance(part, dict) and part.get("content_type") == "audio_transcription"
    return text_in(part, "text") or "" if is_speech else ""


def rest_of_message(
    message: Mapping[str, Any], metadata_read: Mapping[str, Reader] = METADATA
) -> dict[str, Any] | None:
    """Return the rest of a message beside its words, with its id; None where there is nothing."""
    content = mapping_in(message, "content")
    rest = rest_of(message, _MESSAGE)
    more = {
        "parts": [part for part in list_in(content, "parts") if not isinstance(part, str)],
        "content": rest_of(content, _CONTENT if words_of_parts(content) else {**_CONTENT, "text": text_in}),
        "metadata": rest_of(mapping_in(message, "metadata"), metadata_read),
        "author": rest_of(mapping_in(message, "author"), {"role": text_in}),
    }
    rest = rest_of(more) | rest
    return {"id": message.get("id"), **rest} if rest else None


def rest_of_node(node: Any) -> Any:
    return rest_of(node, _NODE) if isinstance(node, dict) else node
