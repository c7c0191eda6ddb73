"""ChatGPT's export: a list of conversations, each a tree of messages in `mapping`.

It is documented nowhere. Metadata, times and titles may be missing or null; roots and hidden messages say nothing; an
answer may be several messages, with thoughts, calls of tools and their results in between: items of the reply.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats import chatgpt_tools as tools
from chatkeep.transfer.formats.chatgpt_citations import CITATIONS, REFERENCES, citations_of, without_marks
from chatkeep.transfer.formats.chatgpt_pictures import made_pictures, sent_files
from chatkeep.transfer.formats.chatgpt_tools import Nodes, role_of
from chatkeep.transfer.formats.fields import (
    Reader,
    count_in,
    id_in,
    list_in,
    mapping_in,
    rest_of,
    source_id_of,
    text_in,
    time_in,
    unread,
)
from chatkeep.transfer.formats.messages import Message, turns_of
from chatkeep.transfer.formats.parts import Part, json_in
from chatkeep.transfer.imported import ImportedConversation

SOURCE = "chatgpt"
MAX_SYSTEM_PROMPT_CHARACTERS = 100_000
STATUSES = {"in_progress": "interrupted", "finished_partial_completion": "interrupted"}
FEEDBACK = "chatkeep_feedback"
RATINGS = {"thumbs_up": 1, "thumbsUp": 1, "thumbs_down": -1, "thumbsDown": -1}
# Kinds of content that are read otherwise, or that people are not shown. Of every other kind its words are.
OTHER_WORDS = ("result", "content", "markdown")
NOT_SAID = (tools.THOUGHTS, tools.RECAP, "user_editable_context", "model_editable_context")


def _is_finished(metadata: Mapping[str, Any], name: str) -> bool:
    return mapping_in(metadata, name).get("type") == "stop"


# Of a conversation and of a message that has a place in a turn: what is kept elsewhere, or says nothing to anybody.
_CONVERSATION: dict[str, Reader] = {
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
_METADATA: dict[str, Reader] = {
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
_METADATA_OF_REPLY: dict[str, Reader] = {**_METADATA, "model_slug": text_in}
_METADATA_OF_RECAP: dict[str, Reader] = {**_METADATA_OF_REPLY, "finished_duration_sec": count_in}
_CITATIONS: dict[str, Reader] = {REFERENCES: list_in, CITATIONS: list_in}
_CONTENT: dict[str, Reader] = {"content_type": unread, "parts": list_in}
_NODE: dict[str, Reader] = {"id": unread, "parent": unread, "children": unread, "message": mapping_in}


def is_chatgpt(value: Mapping[str, Any]) -> bool:
    """Tell whether a value is a tree of messages with authors; an empty tree says nothing."""
    nodes = value.get("mapping")
    return isinstance(nodes, dict) and any(_is_node(node) for node in nodes.values())


def _is_node(node: Any) -> bool:
    message = mapping_in(node, "message")
    return isinstance(message.get("author"), dict) or "content" in message


def read_chatgpt(value: Mapping[str, Any]) -> ImportedConversation:
    """Return a conversation of a ChatGPT export.

    Raises:
        Unreadable: its messages are no tree.
    """
    nodes = {name: node for name, node in value["mapping"].items() if isinstance(node, dict)}
    said: dict[str, bool] = {}
    system = next((name for name in nodes if _is_system_prompt(nodes, name, said)), None)
    reader = _MessageReader(nodes, text_in(value, "default_model_slug"), system)
    messages = {name: reader.read(name) for name in _siblings_in_order(nodes)}
    tree = turns_of(messages, text_in(value, "current_node"))
    return ImportedConversation(
        source=SOURCE,
        source_id=source_id_of(value, "conversation_id", "id"),
        title=text_in(value, "title"),
        system_prompt=None if system is None else _words(mapping_in(nodes[system], "message")),
        archived=value.get("is_archived") is True,
        created_at=time_in(value, "create_time") or time_in(value, "update_time"),
        updated_at=time_in(value, "update_time"),
        turns=tree.turns,
        head=tree.head,
        aside={
            "conversation": rest_of(value, _CONVERSATION),
            "messages": tree.aside,
            "nodes": rest_of({name: _rest_of_node(node) for name, node in value["mapping"].items()}),
        },
    )


def _siblings_in_order(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the nodes' names, siblings as their parent lists them: the file may have them in any order."""
    ranks: dict[str, int] = {}
    for node in nodes.values():
        listed = list_in(node, "children")
        ranks |= {child: rank for rank, child in enumerate(listed) if isinstance(child, str)}
    return sorted(nodes, key=lambda name: ranks.get(name, len(nodes)))


def _is_system_prompt(nodes: Mapping[str, Mapping[str, Any]], name: str, said: dict[str, bool]) -> bool:
    """Tell whether a node is a system message that anybody may see, before all that is said."""
    message = mapping_in(nodes[name], "message")
    if (
        role_of(message) != "system"
        or _is_hidden(message)
        or not 0 < len(_words(message)) <= MAX_SYSTEM_PROMPT_CHARACTERS
    ):
        return False
    return not _is_below_what_is_said(nodes, name, said)


def _is_below_what_is_said(nodes: Mapping[str, Mapping[str, Any]], name: str, said: dict[str, bool]) -> bool:
    """Tell whether somebody says something above a node.

    Args:
        said: of which nodes it is known that something is said in or above them, so that none is passed twice: a file
            may have tens of thousands of system messages below each other.
    """
    passed: list[str] = []
    above = text_in(nodes[name], "parent")
    while above is not None and above in nodes and above not in said:
        said[above] = role_of(mapping_in(nodes[above], "message")) in ("user", "assistant")
        if said[above]:
            break
        passed.append(above)
        above = text_in(nodes[above], "parent")
    is_below = above is not None and said.get(above, False)
    said |= dict.fromkeys(passed, is_below)
    return is_below


class _MessageReader:
    """Reads the message of each node."""

    def __init__(self, nodes: Nodes, default_model: str | None, system: str | None) -> None:
        self._nodes = nodes
        self._default_model = default_model
        self._system = system
        self._seconds = tools.thought_seconds(nodes)

    def read(self, name: str) -> Message:
        message, parent = mapping_in(self._nodes[name], "message"), text_in(self._nodes[name], "parent")
        if name == self._system:
            return Message(name, parent, None, raw=_rest(message))
        times: dict[str, Any] = {"time": time_in(message, "create_time"), "ended": time_in(message, "update_time")}
        role, is_to_be_read = role_of(message), _is_to_be_read(message)
        if role == "user" and is_to_be_read:
            return _question(name, parent, message, times)
        parts: tuple[Part, ...] = tuple(self._worked(name, message))
        if parts:
            return Message(name, parent, "assistant", reply=self._reply(message), parts=parts, **times)
        if role == "assistant" and is_to_be_read and (parts := tuple(_answered(message))):
            rest = _rest(message, {**_METADATA_OF_REPLY, **_CITATIONS})
            reply = self._reply(message)
            return Message(name, parent, "assistant", raw=rest, reply=reply, parts=parts, **times)
        return Message(name, parent, None, raw=self._rest_of_no_part(message))

    def _worked(self, name: str, message: Mapping[str, Any]) -> Iterator[Part]:
        """Yield the work for an answer, whether or not ChatGPT shows it."""
        content = mapping_in(message, "content")
        if tools.is_thought(message):
            rest = _rest({**message, "content": None}, _METADATA_OF_REPLY)
            if more := tools.rest_of_thoughts(content):
                rest = {"id": message.get("id"), **(rest or {}), "content": more}
            yield from tools.thought_parts(message, self._seconds.get(name), rest)
        elif tools.is_call(message):
            words = _words(message)
            rest = _rest({**message, "recipient": None}, _METADATA_OF_REPLY)
            yield from tools.call_parts(name, message, words, rest)
        elif role_of(message) == "tool":
            words = _words(message)
            rest = _rest(message if words or not content else {**message, "content": None}, _METADATA_OF_REPLY)
            output = words or rest_of(content, {"content_type": unread})
            call = tools.name_above(self._nodes, name, tools.is_call)
            yield from tools.output_parts(call or name, message, output, rest)

    def _rest_of_no_part(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if tools.kind_of(message) == tools.RECAP:
            return _rest(message, _METADATA_OF_RECAP)
        return message if _words(message) or _rest(message) else None

    def _reply(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return how a message ended, and which model it is of."""
        said: dict[str, Any] = {"status": STATUSES.get(text_in(message, "status") or "", "complete")}
        said |= _rating_of(mapping_in(message, FEEDBACK))
        model = text_in(mapping_in(message, "metadata"), "model_slug")
        # A tool is no model; its message may name the one that it worked for.
        if model is None and role_of(message) == "assistant":
            return said | {"model": self._default_model}
        return said | ({"model": model} if model else {})


def _rating_of(feedback: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rating of an answer as fields of its turn; the whole feedback is kept aside, too."""
    rating = RATINGS.get(text_in(feedback, "rating") or "")
    told = json_in(text_in(feedback, "content") or "")
    comment = text_in(told, "text") if isinstance(told, dict) else None
    return {"rating": rating, "comment": comment} if rating else {}


def _question(name: str, parent: str | None, message: Mapping[str, Any], times: Mapping[str, Any]) -> Message:
    files = sent_files(message)
    rest = _rest(message, {**_METADATA, "attachments": list_in})
    words = _words(message)
    parts: tuple[Part, ...] = (*files, words) if files else ()
    return Message(name, parent, "user", words, raw=rest, parts=parts, **times)


def _answered(message: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts of an answer: its words, its pictures, and its sources."""
    metadata = mapping_in(message, "metadata")
    said = [
        part
        for part in (without_marks(_words(message), metadata), *made_pictures(message), *tools.reports_in(message))
        if part
    ]
    yield from said
    if said or _words(message):
        yield from citations_of(metadata)


def _is_hidden(message: Mapping[str, Any]) -> bool:
    flag = mapping_in(message, "metadata").get("is_visually_hidden_from_conversation")
    return flag is True or message.get("weight") == 0


def _is_to_be_read(message: Mapping[str, Any]) -> bool:
    """Tell whether a message is for everybody and in words; a call of a tool is for the tool."""
    kind = mapping_in(message, "content").get("content_type")
    return not _is_hidden(message) and message.get("recipient") in (None, "all") and kind not in NOT_SAID


def _words(message: Mapping[str, Any]) -> str:
    content = mapping_in(message, "content")
    said = _words_of_parts(content) or text_in(content, "text") or ""
    if said or role_of(message) == "tool":
        return said
    return next((found for name in OTHER_WORDS if (found := text_in(content, name))), "")


def _words_of_parts(content: Mapping[str, Any]) -> str:
    return "\n".join(words for part in list_in(content, "parts") if (words := _words_of_part(part)))


def _words_of_part(part: Any) -> str:
    """A part is a text, or an object: an image, a file, or speech with its text."""
    if isinstance(part, str):
        return part
    is_speech = isinstance(part, dict) and part.get("content_type") == "audio_transcription"
    return text_in(part, "text") or "" if is_speech else ""


def _rest(message: Mapping[str, Any], metadata_read: Mapping[str, Reader] = _METADATA) -> dict[str, Any] | None:
    """Return the rest of a message beside its words, with its id; None where there is nothing."""
    content = mapping_in(message, "content")
    rest = rest_of(message, _MESSAGE)
    more = {
        "parts": [part for part in list_in(content, "parts") if not isinstance(part, str)],
        "content": rest_of(content, _CONTENT if _words_of_parts(content) else {**_CONTENT, "text": text_in}),
        "metadata": rest_of(mapping_in(message, "metadata"), metadata_read),
        "author": rest_of(mapping_in(message, "author"), {"role": text_in}),
    }
    rest = rest_of(more) | rest
    return {"id": message.get("id"), **rest} if rest else None


def _rest_of_node(node: Any) -> Any:
    return rest_of(node, _NODE) if isinstance(node, dict) else node
