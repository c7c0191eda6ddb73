"""One message with the usual fields, read into a place in a tree of turns."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.items import reasoning_item
from chatkeep.transfer.formats.blocks import CONTENT_FIELDS, Content, content_of, listed_files, texts_of
from chatkeep.transfer.formats.citation_marks import without_citation_marks
from chatkeep.transfer.formats.fields import (
    Reader,
    count_in,
    digest_of,
    id_in,
    list_in,
    mapping_in,
    rest_of,
    says_something,
    text_in,
    time_in,
    unread,
)
from chatkeep.transfer.formats.messages import Message
from chatkeep.transfer.formats.open_webui_files import PICTURE, with_pictures
from chatkeep.transfer.formats.open_webui_parts import calls_of, parts_of_answer
from chatkeep.transfer.formats.parts import Part, items_as, json_in, output_item
from chatkeep.transfer.imported import FileToFind

Fields = Mapping[str, Any]

SYSTEM, TOOL = "system", "tool"
USERS = {"user", "human", "you", "prompter", "request", "requester", "me"}
ASSISTANTS = {
    "assistant",
    "gpt",
    "bot",
    "ai",
    "model",
    "chatgpt",
    "bing",
    "bard",
    "claude",
    "grok",
    "response",
    "agent",
}
SYSTEMS = {"system", "developer"}
TOOLS = {"tool", "function", "observation", "tool_result", "function_response"}
ROLES = {
    **dict.fromkeys(USERS, "user"),
    **dict.fromkeys(ASSISTANTS, "assistant"),
    **dict.fromkeys(SYSTEMS, SYSTEM),
    **dict.fromkeys(TOOLS, TOOL),
}
ROLE_FIELDS = ("role", "sender", "from", "author", "speaker")
IDS = ("id", "uuid", "messageId", "message_id", "_id", "response_id")
PARENTS = (
    *("parent", "parentId", "parent_id", "parentMessageId", "parent_message_uuid", "parentUuid"),
    *("parent_message_id", "parent_response_id", "parentResponseId"),
)
TIMES = ("created_at", "createdAt", "create_time", "createTime", "timestamp", "time", "created", "inserted_at", "date")
ENDED = ("completed_at", "completedAt", "finished_at")
MODELS = ("model", "modelName", "model_name", "modelId", "model_slug")
THOUGHTS = (
    *("reasoning_content", "reasoningContent", "reasoning", "thinking", "thinkingContent", "thinking_content"),
    "thinking_trace",
)
FILES = ("attachments", "files", "files_v2", "experimental_attachments", "extra", "file_attachments", "attachedFiles")
# Items of OpenAI's Responses between messages.
RESPONSES = {"function_call", "function_call_output", "reasoning"}
SOURCES = ("citations", "sources", "search_results", "web_search_results")
STOPPED = {"stopped", "cancelled", "canceled", "aborted", "user_canceled", "user_cancelled", "interrupted_by_user"}
# Of older versions of the AI SDK.
INVOCATIONS = "toolInvocations"
INPUT_TOKENS = ("input_tokens", "prompt_tokens", "promptTokens", "inputTokens", "inputTokenCount")
OUTPUT_TOKENS = ("output_tokens", "completion_tokens", "completionTokens", "outputTokens", "outputTokenCount")


@dataclass(frozen=True, slots=True)
class Given:
    """A message, with what it is called and which one it follows.

    Args:
        role: `user`, `assistant`, `system`, `tool`, or None.
    """

    id: str
    parent: str | None
    role: str | None
    fields: Fields

    def content_text(self) -> str:
        return texts_of(content_of(self.fields).parts)


def role_of(message: Fields) -> str | None:
    """Return the role of a message in one spelling; None where it has none that is known."""
    if "role" not in message and message.get("type") in RESPONSES:
        return "assistant"
    if isinstance(message.get("isCreatedByUser"), bool):
        return "user" if message["isCreatedByUser"] else "assistant"
    for name in ROLE_FIELDS:
        found = message.get(name)
        said = text_in(found, "role") if isinstance(found, dict) else found
        if isinstance(said, str) and (role := ROLES.get(said) or ROLES.get(said.strip("<>| ").lower())):
            return role
    return None


def given_message(message: Fields, place: int, before: str | None, follows_null: bool) -> Given:
    """Return a message with its id: its own, or what it says and where.

    Args:
        before: the id of the message before it, which it follows where it names no parent.
    """
    said = _first(message, IDS, id_in)
    named = next((name for name in PARENTS if name in message), None)
    parent = id_in(message, named) if named else None
    if named is None or (parent is None and follows_null):
        parent = before
    return Given(said or f"{place}:{_digest(message)}", parent, role_of(message), message)


def _digest(message: Fields) -> str:
    """Return a short digest of what a message says: with its place, an id for one that has none."""
    said = [message[name] for name in CONTENT_FIELDS if name in message]
    if len(said) == 1 and isinstance(said[0], str):
        return hashlib.sha256(said[0].encode(errors="replace")).hexdigest()[:16]
    return digest_of(said)[7:23]


def message_of(given: Given, *, is_system: bool) -> Message:
    """Return a message as a part of a turn; one without a place there is kept as it came."""
    message = given.fields
    is_item = "role" not in message and message.get("type") in RESPONSES
    content = content_of({"content": [message]} if is_item else message)
    times: dict[str, Any] = {"time": _first(message, TIMES, time_in), "ended": _first(message, ENDED, time_in)}
    if is_system:
        return Message(given.id, given.parent, None, raw=_rest(given, content, ()))
    if given.role == "user" and not content.is_results_alone():
        return _question(given, content, times)
    if given.role in ("assistant", TOOL, "user"):
        parts = tuple(_answered(given, content))
        if any(parts) or _error(message):
            reply = _reply(message)
            return Message(
                given.id,
                given.parent,
                "assistant",
                raw=_rest(given, content, parts),
                reply=reply,
                parts=parts or ("",),
                **times,
            )
    return Message(given.id, given.parent, None, raw=rest_of(message, dict.fromkeys((*IDS, *PARENTS), unread)))


def _question(given: Given, content: Content, times: Mapping[str, Any]) -> Message:
    said = (*content.parts, *listed_files(given.fields, FILES))
    items = tuple(part for part in said if not isinstance(part, str))
    has_file = any(isinstance(item, FileToFind) for item in items)
    texts = [part for part in said if isinstance(part, str) and part and not (has_file and part == PICTURE)]
    words = "\n\n".join(texts)
    if not words and not items:
        return Message(given.id, given.parent, None, raw=given.fields)
    rest = _rest(given, content, said)
    return Message(given.id, given.parent, "user", words, raw=rest, parts=(*items, words) if items else (), **times)


def _answered(given: Given, content: Content) -> Iterator[Part]:
    message = given.fields
    if given.role == TOOL:
        call_id = next(
            (found for name in ("tool_call_id", "toolCallId") if (found := text_in(message, name))), given.id
        )
        if output := texts_of(content.parts):
            yield output_item(call_id, output)
        yield from (part for part in content.parts if not isinstance(part, str))
        return
    for name in THOUGHTS:
        if name in message and (words := _thought(message, name)):
            yield reasoning_item(words, name, None)
            break
    sources = _citations(message)
    for part in content.parts:
        if isinstance(part, str):
            yield from with_pictures(parts_of_answer(without_citation_marks(part, sources)))
        else:
            yield part
    if INVOCATIONS in message:
        yield from content_of(message, (INVOCATIONS,)).parts
    yield from calls_of(_with_calls(message))
    yield from listed_files(message, FILES)
    yield from items_as("citation", sources)


def _thought(message: Fields, name: str) -> str | None:
    return text_in(message, name) or text_in(mapping_in(message, name), "content")


def _with_calls(message: Fields) -> Fields:
    """Return a message with its calls as a list: some programs write them as JSON in a text."""
    told = message.get("tool_calls", message.get("toolCalls"))
    calls = json_in(told) if isinstance(told, str) else told
    function = message.get("function_call")
    if not calls and isinstance(function, dict):
        calls = [{"id": "call", "type": "function", "function": function}]
    return {"tool_calls": calls}


def _citations(message: Fields) -> list[Any]:
    return [each for name in SOURCES if name in message for each in list_in(message, name)]


def _reply(message: Fields) -> dict[str, Any]:
    usage = mapping_in(message, "usage")
    said: dict[str, Any] = {
        "model": _first(message, MODELS, text_in),
        "input_tokens": count_in(usage, *INPUT_TOKENS),
        "output_tokens": count_in(usage, *OUTPUT_TOKENS),
    }
    if error := _error(message):
        return said | {"status": "failed", "error_code": "model_error", "error_detail": error}
    return said | {"status": "stopped" if _is_stopped(message) else "complete"}


def _error(message: Fields) -> str | None:
    return text_in(message, "error") or text_in(mapping_in(message, "error"), "message")


def _is_stopped(message: Fields) -> bool:
    """Tell whether the program says that somebody stopped the answer."""
    told = [message.get(name) for name in ("status", "stop_reason", "finish_reason", "finishReason")]
    return message.get("unfinished") is True or any(isinstance(each, str) and each.lower() in STOPPED for each in told)


def _rest(given: Given, content: Content, parts: tuple[Part, ...]) -> dict[str, Any] | None:
    """Return the rest of a message beside what is read of it, with its id; None where there is nothing."""
    message = given.fields
    rest = {
        name: each
        for name, each in message.items()
        if name not in _SAYS_NOTHING
        and name != content.field
        and says_something(each)
        and not _is_read(given, name, content, parts)
    }
    if content.rest:
        rest["content"] = list(content.rest)
    if isinstance(message.get("usage"), dict):
        usage = rest_of(message["usage"], dict.fromkeys((*INPUT_TOKENS, *OUTPUT_TOKENS), count_in))
        rest = {**{name: each for name, each in rest.items() if name != "usage"}, **({"usage": usage} if usage else {})}
    return {"id": _first(message, IDS, id_in), **rest} if rest else None


def _is_read(given: Given, name: str, content: Content, parts: tuple[Part, ...]) -> bool:
    """Tell whether a field has a place in a turn."""
    message = given.fields
    if name in ROLE_FIELDS:
        return given.role is not None
    if name in TIMES:
        return name == _first_name(message, TIMES, time_in)
    if name in MODELS:
        return name == _first_name(message, MODELS, text_in)
    if name in CONTENT_FIELDS:
        return isinstance(message[name], str) and message[name] in (texts_of(content.parts), *parts)
    if name in THOUGHTS:
        return _thought(message, name) in _thoughts_in(parts)
    if name in FILES or name in SOURCES:
        return isinstance(message[name], list)
    return name in _READERS and bool(_READERS[name](message, name))


def _thoughts_in(parts: tuple[Part, ...]) -> list[str]:
    return [part["text"] for part in parts if not isinstance(part, str) and part.get("type") == "reasoning"]


def _has_plain_error(message: Fields, name: str) -> bool:
    return isinstance(message[name], str) or not rest_of(mapping_in(message, name), {"message": text_in})


def _first_name(message: Fields, names: tuple[str, ...], reader: Reader) -> str | None:
    for name in names:
        if name in message and reader(message, name):
            return name
    return None


def _first(message: Fields, names: tuple[str, ...], reader: Reader) -> Any:
    # A loop: this is asked many times for each message, and a generator costs as much as all of it.
    for name in names:
        if name in message and (found := reader(message, name)):
            return found
    return None


_SAYS_NOTHING = frozenset([*IDS, *PARENTS, "children", "childrenIds", "ancestors", "isCreatedByUser", "unfinished"])
_READERS: dict[str, Reader] = {
    **dict.fromkeys(ENDED, time_in),
    **dict.fromkeys(("tool_calls", "toolCalls", "function_call"), lambda fields, _: _with_calls(fields)["tool_calls"]),
    "tool_call_id": text_in,
    "error": _has_plain_error,
    INVOCATIONS: lambda fields, _: any(content_of(fields, (INVOCATIONS,)).parts),
}
