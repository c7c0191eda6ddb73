"""ChatGPT's export: a list of conversations, each a tree of messages in `mapping`.

It is documented nowhere. Metadata, times and titles may be missing or null; roots and hidden messages say nothing; an
answer may be several messages, with thoughts, calls of tools and their results in between: items of the reply.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats import chatgpt_tools as tools
from chatkeep.transfer.formats.chatgpt_citations import citations_of, without_marks
from chatkeep.transfer.formats.chatgpt_pictures import made_pictures, sent_files
from chatkeep.transfer.formats.chatgpt_rest import (
    CITED,
    CONVERSATION,
    METADATA,
    METADATA_OF_RECAP,
    METADATA_OF_REPLY,
    STATUSES,
    rest_of_message,
    rest_of_node,
    words_of_parts,
)
from chatkeep.transfer.formats.chatgpt_tools import Nodes, role_of
from chatkeep.transfer.formats.fields import (
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
FEEDBACK = "chatkeep_feedback"
RATINGS = {"thumbs_up": 1, "thumbsUp": 1, "thumbs_down": -1, "thumbsDown": -1}
# Kinds of content that are read otherwise, or that people are not shown. Of every other kind its words are.
OTHER_WORDS = ("result", "content", "markdown")
NOT_SAID = (tools.THOUGHTS, tools.RECAP, "user_editable_context", "model_editable_context")


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
            "conversation": rest_of(value, CONVERSATION),
            "messages": tree.aside,
            "nodes": rest_of({name: rest_of_node(node) for name, node in value["mapping"].items()}),
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
            return Message(name, parent, None, raw=rest_of_message(message))
        times: dict[str, Any] = {"time": time_in(message, "create_time"), "ended": time_in(message, "update_time")}
        role, is_to_be_read = role_of(message), _is_to_be_read(message)
        if role == "user" and is_to_be_read:
            return _question(name, parent, message, times)
        parts: tuple[Part, ...] = tuple(self._worked(name, message))
        if parts:
            return Message(name, parent, "assistant", reply=self._reply(message), parts=parts, **times)
        if role == "assistant" and is_to_be_read and (parts := tuple(_answered(message))):
            rest = rest_of_message(message, {**METADATA_OF_REPLY, **CITED})
            reply = self._reply(message)
            return Message(name, parent, "assistant", raw=rest, reply=reply, parts=parts, **times)
        return Message(name, parent, None, raw=self._rest_of_no_part(message))

    def _worked(self, name: str, message: Mapping[str, Any]) -> Iterator[Part]:
        """Yield the work for an answer, whether or not ChatGPT shows it."""
        content = mapping_in(message, "content")
        if tools.is_thought(message):
            rest = rest_of_message({**message, "content": None}, METADATA_OF_REPLY)
            if more := tools.rest_of_thoughts(content):
                rest = {"id": message.get("id"), **(rest or {}), "content": more}
            yield from tools.thought_parts(message, self._seconds.get(name), rest)
        elif tools.is_call(message):
            words = _words(message)
            rest = rest_of_message({**message, "recipient": None}, METADATA_OF_REPLY)
            yield from tools.call_parts(name, message, words, rest)
        elif role_of(message) == "tool":
            words = _words(message)
            rest = rest_of_message(message if words or not content else {**message, "content": None}, METADATA_OF_REPLY)
            output = words or rest_of(content, {"content_type": unread})
            call = tools.name_above(self._nodes, name, tools.is_call)
            yield from tools.output_parts(call or name, message, output, rest)

    def _rest_of_no_part(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if tools.kind_of(message) == tools.RECAP:
            return rest_of_message(message, METADATA_OF_RECAP)
        return message if _words(message) or rest_of_message(message) else None

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
    rest = rest_of_message(message, {**METADATA, "attachments": list_in})
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
    said = words_of_parts(content) or text_in(content, "text") or ""
    if said or role_of(message) == "tool":
        return said
    return next((found for name in OTHER_WORDS if (found := text_in(content, name))), "")
