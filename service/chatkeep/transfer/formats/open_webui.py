"""Open WebUI's chats: as its export has them, or one `chat` alone. The tree is what `parentId` says.

`childrenIds` loses entries, `messages` is a copy of one path, and times are in seconds or milliseconds.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from chatkeep.chat.items import is_reasoning
from chatkeep.chat.models import GenerationParams
from chatkeep.transfer.formats.blocks import Content, content_of
from chatkeep.transfer.formats.fields import (
    count_in,
    list_in,
    mapping_in,
    rest_of,
    source_id_of,
    text_in,
    time_in,
    unread,
)
from chatkeep.transfer.formats.messages import Message, turns_of
from chatkeep.transfer.formats.open_webui_files import files_of, made_files, with_pictures, without_files
from chatkeep.transfer.formats.open_webui_parts import (
    REASONING_FIELDS,
    calls_of,
    parts_of_answer,
    parts_of_output,
    parts_of_text,
    same_words,
    thoughts_of,
)
from chatkeep.transfer.formats.open_webui_rest import (
    INPUT_TOKENS,
    MESSAGE,
    OUTPUT_TOKENS,
    QUESTION,
    REPLY,
    RESULT,
    is_text,
    model_of,
    one_of,
    rest_of_conversation,
    rest_of_history,
    rest_of_message,
    rest_of_reply,
)
from chatkeep.transfer.formats.parts import Part, items_as, output_item
from chatkeep.transfer.imported import ImportedConversation

SOURCE = "open-webui"
MAX_SYSTEM_PROMPT_CHARACTERS = 100_000

# Qwen's service writes the same files, with an answer in phases: what it thought, what it looked for, what it says.
PHASES = "content_list"
# Names in the messages of the neutral form and of others of its kind.
_OTHERS = ("parent", "parts", "time", "created_at", "createdAt", "create_time", "date", "contentParts", "object")


def is_open_webui(value: Mapping[str, Any]) -> bool:
    return any(_has_messages(each) for each in (value, mapping_in(value, "chat")))


def _has_messages(chat: Mapping[str, Any]) -> bool:
    """Tell whether any message has a role: of the tree, or of a list without what other programs write into one."""
    tree = mapping_in(chat, "history", "messages")
    if any(isinstance(each, dict) and "role" in each for each in tree.values()):
        return True
    messages = list_in(chat, "messages")
    of_roles = bool(messages) and all(isinstance(each, dict) and "role" in each for each in messages)
    return of_roles and not any(name in each for each in messages for name in _OTHERS)


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
    messages |= {each.id: each for name, message in said.items() if (each := _merged(name, message)) is not None}
    current = text_in(mapping_in(chat, "history"), "currentId") or text_in(whole, "current_message_id")
    tree = turns_of(messages, current)
    chosen, others = _params(params)
    title = text_in(whole, "title") or text_in(chat, "title")
    return ImportedConversation(
        source=SOURCE,
        source_id=source_id_of(whole or chat, "id"),
        title=title,
        system_prompt=system,
        params=chosen,
        archived=whole.get("archived") is True,
        owner=text_in(whole, "user_id"),
        created_at=time_in(value, "created_at") or time_in(chat, "timestamp"),
        updated_at=time_in(value, "updated_at"),
        turns=tree.turns,
        head=tree.head,
        aside={
            "conversation": rest_of_conversation(whole, chat, (title, system)) | rest_of({"params": others}),
            "history": rest_of_history(mapping_in(chat, "history")),
            "messages": tree.aside,
        },
    )


def _messages(chat: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the messages by id, siblings as their parent lists them; of a chat without a tree, in a row."""
    known = mapping_in(chat, "history", "messages")
    if known:
        found = {name: each for name, each in known.items() if isinstance(each, dict)}
        ranks = {
            child: rank
            for each in found.values()
            for rank, child in enumerate(list_in(each, "childrenIds"))
            if isinstance(child, str)
        }
        return {name: found[name] for name in sorted(found, key=lambda name: ranks.get(name, len(found)))}
    row = [each for each in list_in(chat, "messages") if isinstance(each, dict)]
    return {str(place): {**each, "parentId": str(place - 1)} for place, each in enumerate(row)}


def _system(
    chat: Mapping[str, Any], params: dict[str, Any], said: Mapping[str, Mapping[str, Any]]
) -> tuple[str | None, str | None]:
    """Return the system prompt, and the message that holds it, where one does; take it out of `params`."""
    told = text_in(params, "system") or text_in(chat, "system")
    if told and len(told) <= MAX_SYSTEM_PROMPT_CHARACTERS:
        params.pop("system", None)
        return told, None
    for name, message in said.items():
        words = _words(message)
        if message.get("role") in ("system", "developer") and message.get("parentId") not in said and words:
            return (words, name) if len(words) <= MAX_SYSTEM_PROMPT_CHARACTERS else (None, None)
    return None, None


def _message(name: str, message: Mapping[str, Any], *, is_system: bool) -> Message:
    parent, words, role = text_in(message, "parentId"), _words(message), message.get("role")
    times: dict[str, Any] = {"time": time_in(message, "timestamp"), "ended": time_in(message, "completedAt")}
    if is_system:
        return Message(name, parent, None, raw=rest_of_message(message, MESSAGE))
    if role == "user":
        files = files_of(message)
        parts: tuple[Part, ...] = (*files, words) if files else ()
        rest = rest_of_message(without_files(message), QUESTION)
        return Message(name, parent, "user", words, raw=rest, parts=parts, **times)
    if role == "tool" and words:
        call_id = text_in(message, "tool_call_id") or name
        parts = (output_item(call_id, words),)
        return Message(name, parent, "assistant", raw=rest_of_message(message, RESULT), parts=parts, **times)
    if role == "assistant":
        listed = _listed(message, words)
        phases = content_of(message, (PHASES,)) if not words and not listed else Content()
        listed = list(phases.parts) or listed
        said: tuple[Part, ...] = tuple(_parts(message, words, listed))
        if any(said) or message.get("error"):
            reply = _reply(message)
            is_whole = bool(phases.parts) or parts_of_output(list_in(message, "output")) is not None
            read = {**REPLY, PHASES if phases.parts else "output": list_in} if listed and is_whole else REPLY
            message = {**message, "phases": list(phases.rest)}
            rest = rest_of_reply(
                without_files(message), reply, read | dict.fromkeys(REASONING_FIELDS, one_of(*_thoughts(said)))
            )
            return Message(name, parent, "assistant", raw=rest, reply=reply, parts=said, **times)
    return Message(name, parent, None, raw=rest_of(message, {"childrenIds": unread}))


def _merged(name: str, message: Mapping[str, Any]) -> Message | None:
    """Return the answer that several were merged into: one more beside them."""
    words = text_in(mapping_in(message, "merged"), "content")
    if not words:
        return None
    above = name if message.get("role") == "user" else text_in(message, "parentId")
    parts = tuple(parts_of_answer(words))
    return Message(f"{name}-merged", above, "assistant", parts=parts, time=time_in(message, "timestamp"))


def _listed(message: Mapping[str, Any], words: str) -> list[Part] | None:
    """Return the parts in `output`; None where they are not known whole, or are others than those in the text."""
    output = list_in(message, "output")
    listed = parts_of_output(output)
    # What is shown is in it alone; items that nobody knows are set aside.
    if not listed and not words:
        return [part for each in output for part in parts_of_output([each]) or ()]
    return listed if listed and (not words or same_words(parts_of_text(words), listed)) else None


def _thoughts(parts: Iterable[Part]) -> Iterator[str]:
    return (part["text"] for part in parts if not isinstance(part, str) and is_reasoning(part))


def _parts(message: Mapping[str, Any], words: str, listed: list[Part] | None) -> Iterator[Part]:
    """Yield the parts of an answer."""
    yield from thoughts_of(message)
    yield from with_pictures(listed or parts_of_answer(words))
    yield from calls_of(message)
    yield from items_as("code_execution", list_in(message, "code_executions"))
    yield from made_files(message)
    yield from items_as("citation", (*list_in(message, "sources"), *list_in(message, "citations")))


def _reply(message: Mapping[str, Any]) -> dict[str, Any]:
    usage = mapping_in(message, "usage") or mapping_in(message, "info", "usage") or mapping_in(message, "info")
    annotation = mapping_in(message, "annotation")
    rating = annotation.get("rating")
    said: dict[str, Any] = {
        "status": "interrupted" if message.get("done") is False else "complete",
        "model": model_of(message),
        "input_tokens": count_in(usage, *INPUT_TOKENS),
        "output_tokens": count_in(usage, *OUTPUT_TOKENS),
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
    return "\n".join(text_in(block, "text") or "" for block in blocks if is_text(block))


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
