"""Messages of chat completions as input items, and as what a history is recognised by.

Source: OpenAI API reference, Create chat completion, `messages`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from chatkeep.chat.items import SYSTEM_ROLES, AnyItem, JsonItem, is_call, is_refusal
from chatkeep.chat.messages import REASONING_FIELDS
from chatkeep.chat.status import Status
from chatkeep.errors import Invalid
from chatkeep.openai.input_items import MAX_INPUT_ITEMS, ROLES

Message = Mapping[str, Any]
# The field of a request that has them.
MESSAGES = "messages"
MESSAGE_ROLES = (*ROLES, "tool")
ONE_OF_THE_ROLES = "The role of a message is user, assistant, system, developer or tool."
TEXT_OR_PARTS = "The content of a message is a text or a list of parts."


def instructions_in(messages: Sequence[Message]) -> tuple[str | None, Sequence[Message]]:
    """Return the instructions before the first message, and the messages after them."""
    told = list(takewhile(lambda message: message.get("role") in SYSTEM_ROLES, messages))
    return ("\n\n".join(map(text_of, told)) if told else None), messages[len(told) :]


def text_of(message: Message) -> str:
    """Return the text of a message's content, whether it is one or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "\n\n".join(text for text in texts if isinstance(text, str))


def require_messages(messages: Sequence[Message]) -> None:
    """Refuse what no input item can be made of, in the words of the client's own request.

    Raises:
        Invalid: there are too many, or one has a role or a content that no message has.
    """
    if len(messages) > MAX_INPUT_ITEMS:
        raise Invalid(f"`messages` may have {MAX_INPUT_ITEMS} messages.", param=MESSAGES)
    for number, message in enumerate(messages):
        if message.get("role") not in MESSAGE_ROLES:
            raise Invalid(ONE_OF_THE_ROLES, param=f"{MESSAGES}[{number}].role")
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        if not isinstance(content, str | list | None) or not all(isinstance(part, Mapping) for part in parts):
            raise Invalid(TEXT_OR_PARTS, param=f"{MESSAGES}[{number}].content")


def to_input(messages: Sequence[Message]) -> list[JsonItem]:
    """Return messages as input items of a response; `require_messages` has looked at them."""
    return [item for message in messages for item in _items(message)]


def _items(message: Message) -> Iterator[JsonItem]:
    match message.get("role"):
        case "tool":
            yield {
                "type": "function_call_output",
                "call_id": str(message.get("tool_call_id", "")),
                "output": message.get("content") or "",
            }
        case "assistant":
            yield from _reply_items(message)
        case role:
            yield {"type": "message", "role": role, "content": message.get("content") or ""}


def _reply_items(message: Message) -> Iterator[JsonItem]:
    thought = next((message[name] for name in REASONING_FIELDS if isinstance(message.get(name), str)), "")
    if thought:
        yield {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": thought}]}
    if content := message.get("content"):
        yield {"type": "message", "role": "assistant", "content": content}
    if isinstance(refusal := message.get("refusal"), str):
        yield {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": refusal}]}
    for call_id, name, arguments in _calls(message):
        yield {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def _calls(message: Message) -> Iterator[tuple[str, str, str]]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"id": str(call_id), "function": {"name": str(name), "arguments": str(arguments)}}:
                yield call_id, name, arguments


@dataclass(frozen=True, slots=True)
class Said:
    """An assistant's message as far as it is compared: its text and its calls. Clients leave out its reasoning."""

    text: str
    calls: Sequence[tuple[str, str]]

    def is_of(self, kept: "Said", *, status: Status) -> bool:
        """Tell whether a client's message is the kept reply.

        Args:
            status: of the kept reply. Of one that was cut, the client may have seen less than is kept; and more, where
                the last words are not written down.
        """
        if status == "streaming":
            return self._begins_like(kept)
        if list(self.calls) != list(kept.calls):
            return False
        if self.text == kept.text or (not self.text and bool(self.calls)):
            return True
        return status != "complete" and bool(kept.text and self.text) and self._begins_like(kept)

    def _begins_like(self, kept: "Said") -> bool:
        return kept.text.startswith(self.text) or self.text.startswith(kept.text)


def said_in(message: Message) -> Said:
    refusal = message.get("refusal")
    text = text_of(message) + (refusal if isinstance(refusal, str) else "")
    return Said(text.strip(), [(name, _plain_json(arguments)) for _, name, arguments in _calls(message)])


def said_in_reply(reply: str | None, items: Sequence[AnyItem] | None) -> Said:
    """Return a kept reply, to be compared."""
    refusals = "".join(item["refusal"] for item in items or () if is_refusal(item))
    calls = [(item["name"], _plain_json(item["arguments"])) for item in items or () if is_call(item)]
    return Said(((reply or "") + refusals).strip(), calls)


def _plain_json(arguments: str) -> str:
    """Return arguments as one text for all ways to write them."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def digest_after(before: bytes, message: Message) -> bytes:
    """Return the digest of a history that goes on with a message; instructions change from request to request, and are
    left out.
    """
    role = message.get("role")
    if role in SYSTEM_ROLES:
        return before
    parts: list[object] = [role]
    if role == "assistant":
        said = said_in(message)
        parts += [said.text, [list(call) for call in said.calls]]
    else:
        parts += [text_of(message).strip(), message.get("tool_call_id"), [_digest(each) for each in _others(message)]]
    return hashlib.sha256(before + json.dumps(parts, sort_keys=True).encode()).digest()


def digest_of(messages: Sequence[Message], before: bytes = b"") -> bytes:
    for message in messages:
        before = digest_after(before, message)
    return before


def _others(message: Message) -> Iterator[object]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping) or "text" not in part:
            yield part


def _digest(part: object) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()
