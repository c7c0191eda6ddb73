"""Open WebUI's chats: as its export has them, or one `chat` alone. The tree is what `parentId` says.

`childrenIds` loses entries, `messages` is a copy of one path, and times are in seconds or milliseconds.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from service.chat.models import GenerationParams
from service.transfer.conversations import ImportedConversation
from service.transfer.formats.messages import Message, turns_of
from service.transfer.formats.values import count_in, mapping_in, rest_of, source_id_of, text_in, time_in

SOURCE = "open-webui"
LONGEST_SYSTEM_PROMPT = 100_000

_CONVERSATION = ("id", "title", "created_at", "updated_at", "archived", "chat", "current_message_id")
_CHAT = ("id", "title", "history", "messages", "timestamp", "params", "system")
_MESSAGE = (
    "id",
    "parentId",
    "childrenIds",
    "role",
    "content",
    "timestamp",
    "model",
    "done",
    "error",
    "usage",
    "annotation",
)


def is_open_webui(value: Mapping[str, Any]) -> bool:
    return any(_has_messages(each) for each in (value, mapping_in(value, "chat")))


def _has_messages(chat: Mapping[str, Any]) -> bool:
    messages = chat.get("messages")
    of_roles = isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages)
    return isinstance(mapping_in(chat, "history").get("messages"), dict) or of_roles


def read_open_webui(value: Mapping[str, Any]) -> ImportedConversation:
    """Return a chat of Open WebUI.

    Raises:
        Unreadable: its messages are no tree.
    """
    chat = mapping_in(value, "chat") or value
    whole = value if chat is not value else {}
    said = _messages(chat)
    params = dict(mapping_in(chat, "params"))
    system, system_id = _system(chat, params, said)
    messages = {name: _message(name, each, is_system=name == system_id) for name, each in said.items()}
    current = text_in(mapping_in(chat, "history"), "currentId") or text_in(whole, "current_message_id")
    tree = turns_of(messages, current)
    chosen, others = _params(params)
    rest = rest_of(whole, *_CONVERSATION) | rest_of(chat, *_CHAT, *(("created_at", "updated_at") if not whole else ()))
    return ImportedConversation(
        source=SOURCE,
        source_id=source_id_of(whole or chat, "id"),
        title=text_in(whole, "title") or text_in(chat, "title"),
        system_prompt=system,
        params=chosen,
        archived=whole.get("archived") is True,
        created_at=time_in(value, "created_at") or time_in(chat, "timestamp"),
        updated_at=time_in(value, "updated_at"),
        turns=tree.turns,
        head=tree.head,
        aside={"conversation": rest | ({"params": others} if others else {}), "messages": tree.aside},
    )


def _messages(chat: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the messages by id, siblings as their parent lists them; of a chat without a tree, in a row."""
    known = mapping_in(chat, "history", "messages")
    if known:
        found = {name: each for name, each in known.items() if isinstance(each, dict)}
        ranks = {
            child: rank
            for each in found.values()
            for rank, child in enumerate(each.get("childrenIds") or ())
            if isinstance(child, str)
        }
        return {name: found[name] for name in sorted(found, key=lambda name: ranks.get(name, len(found)))}
    listed = chat.get("messages")
    row = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return {str(place): {**each, "parentId": str(place - 1)} for place, each in enumerate(row)}


def _system(
    chat: Mapping[str, Any], params: dict[str, Any], said: Mapping[str, Mapping[str, Any]]
) -> tuple[str | None, str | None]:
    """Return what the model was told first, and the message that says it, where one does; take it out of `params`."""
    told = text_in(params, "system") or text_in(chat, "system")
    if told and len(told) <= LONGEST_SYSTEM_PROMPT:
        params.pop("system", None)
        return told, None
    for name, message in said.items():
        words = _words(message)
        if message.get("role") == "system" and message.get("parentId") not in said and words:
            return (words, name) if len(words) <= LONGEST_SYSTEM_PROMPT else (None, None)
    return None, None


def _message(name: str, message: Mapping[str, Any], *, is_system: bool) -> Message:
    parent, words, role = text_in(message, "parentId"), _words(message), message.get("role")
    times: dict[str, Any] = {"time": time_in(message, "timestamp"), "ended": time_in(message, "completedAt")}
    if is_system:
        return Message(name, parent, None)
    if role == "user":
        return Message(name, parent, "user", words, raw=_rest(message), **times)
    if role == "assistant" and (words or message.get("error")):
        return Message(name, parent, "assistant", words, raw=_rest(message), reply=_reply(message), **times)
    return Message(name, parent, None, raw=rest_of(message, "childrenIds"))


def _reply(message: Mapping[str, Any]) -> dict[str, Any]:
    usage = mapping_in(message, "usage") or mapping_in(message, "info", "usage") or mapping_in(message, "info")
    annotation = mapping_in(message, "annotation")
    rating = annotation.get("rating")
    said: dict[str, Any] = {
        "status": "interrupted" if message.get("done") is False else "complete",
        "model": text_in(message, "model"),
        "input_tokens": count_in(usage, "input_tokens", "prompt_tokens", "prompt_eval_count"),
        "output_tokens": count_in(usage, "output_tokens", "completion_tokens", "eval_count"),
    }
    if rating in (1, -1) and not isinstance(rating, bool):
        said |= {"rating": int(rating), "comment": text_in(annotation, "comment") or text_in(annotation, "reason")}
    if error := message.get("error"):
        detail = error if isinstance(error, str) else text_in(mapping_in(message, "error"), "content")
        said |= {"status": "failed", "error_code": "model_error", "error_detail": detail or "The model failed."}
    return said


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(text_in(block, "text") or "" for block in blocks if _is_text(block))


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in ("text", "input_text", "output_text")


def _rest(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a message says beside its words, with its id; None where there is nothing."""
    rest = rest_of(message, *_MESSAGE)
    content = message.get("content")
    if isinstance(content, list) and (others := [block for block in content if not _is_text(block)]):
        rest["content"] = others
    if more := rest_of(mapping_in(message, "annotation"), "rating", "comment", "reason"):
        rest["annotation"] = more
    return {"id": message.get("id"), **rest} if rest else None


def _params(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters that a model here takes, and the others."""
    chosen: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in given.items():
        try:
            chosen |= GenerationParams.model_validate({name: value}).chosen()
        except ValidationError:
            others[name] = value
    return chosen, rest_of(others)
