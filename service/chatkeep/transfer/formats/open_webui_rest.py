"""Fields of Open WebUI's chats that have no place in a turn, nor in its conversation: they are set aside."""

from collections.abc import Mapping
from typing import Any

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
from chatkeep.transfer.imported import MAX_MODEL_CHARACTERS

INPUT_TOKENS = ("input_tokens", "prompt_tokens", "prompt_eval_count")
OUTPUT_TOKENS = ("output_tokens", "completion_tokens", "eval_count")

# Fields of a chat, a message and a reply that are kept elsewhere, or say nothing to anybody.
_CONVERSATION: dict[str, Reader] = {
    "id": id_in,
    "title": text_in,
    "created_at": time_in,
    "updated_at": time_in,
    "archived": lambda value, name: value[name] is True,
    "chat": mapping_in,
    "current_message_id": unread,
}
_CHAT: dict[str, Reader] = {
    "id": unread,
    "history": mapping_in,
    # A copy of one path, where there is a tree.
    "messages": list_in,
    "timestamp": time_in,
    "params": mapping_in,
}
_HISTORY: dict[str, Reader] = {"messages": mapping_in, "currentId": unread}
MESSAGE: dict[str, Reader] = {
    "id": unread,
    "parentId": unread,
    "childrenIds": unread,
    "role": unread,
    "content": lambda message, name: isinstance(message[name], (str, list)),
    "timestamp": time_in,
    "completedAt": time_in,
    "merged": lambda message, name: set(mapping_in(message, name)) <= {"status", "content"} and _is_merged(message),
}
QUESTION: dict[str, Reader] = {**MESSAGE, "files": list_in}
RESULT: dict[str, Reader] = {**MESSAGE, "tool_call_id": text_in}
REPLY: dict[str, Reader] = {
    **MESSAGE,
    **dict.fromkeys(("files", "sources", "citations", "code_executions", "tool_calls"), list_in),
    "model": lambda message, _: model_of(message),
    "done": unread,
    "error": lambda message, name: isinstance(message[name], (str, dict, bool)),
    "usage": mapping_in,
    "annotation": mapping_in,
}
_USAGE: dict[str, Reader] = dict.fromkeys((*INPUT_TOKENS, *OUTPUT_TOKENS), count_in)


def _is_merged(message: Mapping[str, Any]) -> bool:
    return text_in(mapping_in(message, "merged"), "content") is not None


def rest_of_conversation(
    whole: Mapping[str, Any], chat: Mapping[str, Any], told: tuple[str | None, ...]
) -> dict[str, Any]:
    """Return the fields around the messages; `chat` holds those of a chat that its row has otherwise."""
    is_told = one_of(*told)
    times: dict[str, Reader] = {} if whole else {"created_at": time_in, "updated_at": time_in}
    outside = rest_of(whole, _CONVERSATION)
    inside = rest_of(chat, {**_CHAT, **times, "title": is_told, "system": is_told})
    twice = {name: each for name, each in inside.items() if name in outside and outside[name] != each}
    return inside | outside | rest_of({"chat": twice})


def rest_of_history(history: Mapping[str, Any]) -> dict[str, Any]:
    strange = {name: each for name, each in mapping_in(history, "messages").items() if not isinstance(each, dict)}
    return rest_of({**rest_of(history, _HISTORY), "messages": strange})


def model_of(message: Mapping[str, Any]) -> str | None:
    model = text_in(message, "model")
    return model if model and len(model) <= MAX_MODEL_CHARACTERS else None


def is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in ("text", "input_text", "output_text")


def rest_of_message(message: Mapping[str, Any], read: Mapping[str, Reader]) -> dict[str, Any] | None:
    """Return the rest of a message beside its words, with its id; None where there is nothing."""
    blocks = [block for block in list_in(message, "content") if not is_text(block)]
    rest = rest_of({**rest_of(message, read), **({"content": blocks} if blocks else {})})
    return {"id": message.get("id"), **rest} if rest else None


def rest_of_reply(
    message: Mapping[str, Any], reply: Mapping[str, Any], read: Mapping[str, Reader]
) -> dict[str, Any] | None:
    """Return the rest of an answer beside what is read of it and what its turn tells."""
    is_told = one_of(reply.get("comment"), reply.get("error_detail"))
    annotation = {"comment": is_told, "reason": is_told} | ({"rating": unread} if "rating" in reply else {})
    more = {
        "usage": rest_of(mapping_in(message, "usage"), _USAGE),
        "annotation": rest_of(mapping_in(message, "annotation"), annotation),
        "error": rest_of(mapping_in(message, "error"), {"content": is_told}),
    }
    rest = (rest_of_message(message, read) or {}) | rest_of(more)
    return {"id": message.get("id"), **rest} if rest else None


def one_of(*told: object) -> Reader:
    """Take for read what is told elsewhere in the same words."""
    return lambda value, name: value[name] in told
