"""The pieces that a message holds, or a delta of one.

Source: OpenAI API reference, Chat completions, Streaming; OpenRouter, Reasoning tokens; Mistral, Reasoning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chatkeep.chat.models.clean_text import clean_value
from chatkeep.chat.models.errors import ModelBadAnswer
from chatkeep.chat.models.marks import MarkReader
from chatkeep.chat.models.pieces import Item, Piece, Reasoning, ReasoningField, Refusal
from chatkeep.chat.models.tool_calls import ToolCalls

REASONING_TEXTS: tuple[ReasoningField, ...] = ("reasoning_content", "reasoning")
# Members that are read by name, or that are about the message and nothing in it.
KNOWN_MEMBERS = frozenset(
    (
        *("content", "refusal", "tool_calls", "function_call", "reasoning_details", *REASONING_TEXTS),
        *("role", "name", "tool_call_id", "id", "index", "type", "text", "logprobs", "token_ids", "obfuscation"),
        *("provider_specific_fields", "thinking_blocks"),
    )
)
TEXT_PARTS = frozenset(("text", "output_text", "input_text"))
THINKING_PARTS = frozenset(("thinking", "reasoning", "reasoning_text", "summary_text"))


class MessageReader:
    """Reads one message, whole or delta by delta."""

    def __init__(self) -> None:
        self._marks = MarkReader()
        self._calls = ToolCalls()
        # Members that are not known here, by name, and things of which each chunk may hold the same list again.
        self._others: dict[str, Any] = {}

    def read(self, message: Mapping[str, Any]) -> list[Piece]:
        """Return the pieces that are sure by now; tool calls and unknown members wait for the end."""
        content = message.get("content")
        if len(message) == 1 and isinstance(content, str):  # as most deltas are
            return self._marks.feed(content)
        pieces = _reasoning_of(message)
        pieces += self._content(content)
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            pieces.append(Refusal(refusal))
        for part in _list_of(message.get("tool_calls")):
            self._calls.add(part)
        if message.get("function_call"):
            self._calls.add_legacy(message["function_call"])
        for name, value in message.items():
            if name not in KNOWN_MEMBERS and value:
                self._note(name, value)
        return pieces

    def note_beside(self, name: str, value: object) -> None:
        """Keep something that stands beside the message and may come again with each chunk."""
        self._others[name] = value

    def finish(self, *, cut: bool) -> list[Piece]:
        """Return the pieces that were kept back until the end of the reply.

        Args:
            cut: the reply did not come to its end.
        """
        others = [Item(clean_value(item)) for name, value in self._others.items() for item in _items_of(name, value)]
        calls = [Item(clean_value(call.item)) for call in self._calls.whole(cut=cut)]
        return [*self._marks.finish(), *others, *calls]

    def _content(self, content: object) -> list[Piece]:
        if isinstance(content, str):
            return self._marks.feed(content) if content else []
        if content is None:
            return []
        parts = [content] if isinstance(content, Mapping) else content
        if not isinstance(parts, list):
            raise ModelBadAnswer("The model server sent a reply that is not text.")
        return [piece for part in parts for piece in self._part(part)]

    def _part(self, part: object) -> list[Piece]:
        if isinstance(part, str):
            return self._marks.feed(part)
        if not isinstance(part, Mapping):
            raise ModelBadAnswer("The model server sent a reply that is not text.")
        kind = part.get("type")
        if kind in TEXT_PARTS or (kind is None and "text" in part):
            return self._marks.feed(text) if (text := _text_of(part)) else []
        if kind in THINKING_PARTS:
            return [Reasoning(text, "think")] if (text := _text_of(part)) else []
        if kind == "refusal" and isinstance(part.get("refusal"), str):
            return [Refusal(part["refusal"])] if part["refusal"] else []
        return [Item(clean_value(dict(part)))]

    def _note(self, name: str, value: Any) -> None:
        """Put together what comes in parts: texts and lists grow, of anything else the last counts."""
        earlier = self._others.get(name)
        if isinstance(earlier, str) and isinstance(value, str):
            self._others[name] = earlier + value
        elif isinstance(earlier, list) and isinstance(value, list):
            self._others[name] = earlier + [each for each in value if each not in earlier]
        else:
            self._others[name] = value


def _reasoning_of(message: Mapping[str, Any]) -> list[Piece]:
    """Some servers tell the same thought under two names: the first that has a text counts."""
    for name in REASONING_TEXTS:
        if text := _text_of(message.get(name)):
            return [Reasoning(text, name), *_sealed(message)]
    details = _list_of(message.get("reasoning_details"))
    text = "".join(_text_of(part) for part in details)
    return [*([Reasoning(text, "reasoning_details")] if text else []), *_sealed(message)]


def _sealed(message: Mapping[str, Any]) -> list[Piece]:
    """Signatures and encrypted thoughts, which a model may want back as they are."""
    details = _list_of(message.get("reasoning_details"))
    return [
        Item(clean_value(dict(part)))
        for part in details
        if isinstance(part, Mapping) and (part.get("data") or part.get("signature"))
    ]


def _text_of(value: object, depth: int = 0) -> str:
    """Return the text of a value in any of the usual forms: itself, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if depth > 4:
        return ""
    if isinstance(value, Mapping):
        members = (value.get(name) for name in ("text", "thinking", "reasoning", "summary", "content", "value"))
        return next((text for member in members if (text := _text_of(member, depth + 1))), "")
    if isinstance(value, Sequence):
        return "".join(_text_of(part, depth + 1) for part in value)
    return ""


def _items_of(name: str, value: Any) -> list[dict[str, Any]]:
    """Things that say what they are, as annotations do, are items as they came; others bear their name."""
    if isinstance(value, list) and all(
        isinstance(each, Mapping) and isinstance(each.get("type"), str) for each in value
    ):
        return [dict(each) for each in value]
    return [{"type": name, name: value}]


def _list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value] if isinstance(value, Mapping) else []
