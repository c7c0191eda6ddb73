"""A conversation as `/chat/completions` takes it: text, and tool calls with their outputs where there are some.

Servers refuse a call without its output, an output without its call, and an empty message. So a call that nobody
answered is left out, and so is a reply of which nothing is left.

Source: OpenAI API reference, Create chat completion, `messages`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NotRequired, TypedDict

from chatkeep.chat.file_parts import LoadedFiles, MessageContent, content_with_files, text_with_files
from chatkeep.chat.items import AnyItem, has_roles, is_call, is_file, is_output, is_reasoning, is_refusal, side_of

Side = Literal["requester", "responder"]

# Reasoning that came as marks in the text is the model's own affair; under these names servers take it back.
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
NO_OUTPUT = "(no output)"


# Writes a prompt's text with its files.
Write = Callable[[str, Sequence[AnyItem] | None, LoadedFiles], MessageContent]


class ChatMessage(TypedDict):
    """One message as OpenAI's chat completions take it; reasoning stands under the name under which it came.

    `content` is empty where there are only calls: a reader need not tell that from text.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]
    reasoning_details: NotRequired[list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ChatContent:
    """One message of the conversation; `message` is None for a reply that is still to come.

    Args:
        items: what it is made of, where that is more than the text.
    """

    side: Side
    message: str | None
    message_id: str | None = None
    items: Sequence[AnyItem] | None = None


@dataclass(slots=True)
class Round:
    """The part of a reply that came before the outputs of its calls."""

    text: str = ""
    reasoning: list[AnyItem] = field(default_factory=list)
    calls: list[AnyItem] = field(default_factory=list)
    outputs: dict[str, AnyItem] = field(default_factory=dict)


def openai_messages(
    system: str | None, contents: Sequence[ChatContent], files: LoadedFiles | None = None
) -> Iterator[ChatMessage]:
    """Yield the conversation; replies still to come are left out.

    A model that reasons between its calls is given that back until it has answered; what it thought about earlier
    questions it does not want.

    Args:
        files: those that prompts refer to. Texts are in the text; of all others the model is told the name.
    """
    yield from _messages(system, contents, files or {}, text_with_files)


def messages_with_parts(
    system: str | None, contents: Sequence[ChatContent], files: LoadedFiles
) -> Iterator[Mapping[str, Any]]:
    """Yield the conversation with pictures and PDFs as parts of the prompts that have them."""
    yield from _messages(system, contents, files, content_with_files)


def _messages(system: str | None, contents: Sequence[ChatContent], files: LoadedFiles, write: Write) -> Iterator[Any]:
    if system:
        yield {"role": "system", "content": system}
    asked = max((at for at, each in enumerate(contents) if is_question(each)), default=-1)
    for at, content in enumerate(contents):
        message = content.message or ""
        if content.side == "requester" and has_roles(content.items):
            yield from _prompt_messages(message, content.items or (), files, write)
        elif content.side == "requester":
            if _is_sent(content):
                yield {"role": "user", "content": write(message, content.items, files)}
        elif content.items is None:
            if content.message is not None:
                yield {"role": "assistant", "content": message}
        else:
            below = contents[at + 1].items if at + 1 < len(contents) else None
            for each in rounds_of(message, content.items, below):
                yield from _round_messages(each, with_reasoning=at > asked)


def _prompt_messages(prompt: str, items: Sequence[AnyItem], files: LoadedFiles, write: Write) -> Iterator[Any]:
    """Yield the messages of a prompt in which several sides speak, as a client sends its history."""
    for side, group in groupby((item for item in items if side_of(item)), key=side_of):
        said = list(group)
        if side == "assistant":
            for each in rounds_of(prompt, said, None):
                yield from _round_messages(each, with_reasoning=True)
        else:
            yield {"role": side, "content": write(_text_in(prompt, said), said, files)}


def _text_in(prompt: str, items: Sequence[AnyItem]) -> str:
    return "\n\n".join(prompt[item["start"] : item["end"]] for item in items if item.get("type") == "message")


def _is_sent(content: ChatContent) -> bool:
    """Tell whether a requester's message is more than the outputs of tools, which are sent by themselves."""
    return content.items is None or is_question(content)


def is_question(content: ChatContent) -> bool:
    """Tell whether somebody asks something, in words or with a file, and does not only give a tool's output."""
    return content.side == "requester" and bool(content.message or any(map(is_file, content.items or ())))


def rounds_of(message: str, items: Sequence[AnyItem], below: Sequence[AnyItem] | None) -> list[Round]:
    """Return the parts of a reply that can be sent; an empty list where there are none.

    Args:
        below: the items of the prompt after it, which may have the outputs of its calls.
    """
    rounds = [Round()]
    for item in items:
        if is_output(item):
            rounds[-1].outputs.setdefault(item["call_id"], item)
            continue
        if rounds[-1].outputs:
            rounds.append(Round())
        _add(rounds[-1], message, item)
    for item in below or ():
        if is_output(item):
            rounds[-1].outputs.setdefault(item["call_id"], item)
    for each in rounds:
        each.calls = [call for call in each.calls if call["call_id"] in each.outputs]
    return [each for each in rounds if each.text or each.calls]


def outputs_among(items: Sequence[AnyItem] | None) -> bool:
    return any(is_output(item) for item in items or ())


def sent_text(item: AnyItem) -> str:
    """Return the parts that an item adds to the request, beside the text of the prompt or of the reply."""
    if is_call(item):
        return f"{item['name']}{item['arguments']}"
    if is_output(item):
        return _output_text(item.get("output"))
    return str(item["refusal"]) if is_refusal(item) else ""


def _add(current: Round, message: str, item: AnyItem) -> None:
    if is_call(item):
        current.calls.append(item)
    elif is_reasoning(item):
        current.reasoning.append(item)
    elif is_refusal(item):
        current.text += item["refusal"]
    else:
        match item:
            case {"type": "message", "start": int(start), "end": int(end)}:
                current.text += message[start:end]


def _round_messages(each: Round, *, with_reasoning: bool) -> Iterator[ChatMessage]:
    said: ChatMessage = {"role": "assistant", "content": each.text}
    if each.calls:
        said["tool_calls"] = [_tool_call(call) for call in each.calls]
        if with_reasoning:
            _add_reasoning(said, each.reasoning)
    yield said
    for call in each.calls:
        output = each.outputs[call["call_id"]].get("output")
        yield {"role": "tool", "tool_call_id": call["call_id"], "content": _output_text(output)}


def _tool_call(call: AnyItem) -> dict[str, Any]:
    return {
        "id": call["call_id"],
        "type": "function",
        "function": {"name": call["name"], "arguments": call["arguments"]},
    }


def _add_reasoning(message: ChatMessage, reasoning: Sequence[AnyItem]) -> None:
    for name in REASONING_FIELDS:
        text = "".join(each["text"] for each in reasoning if each.get("field") == name)
        if not text:
            continue
        if name == "reasoning_content":
            message["reasoning_content"] = text
        elif name == "reasoning":
            message["reasoning"] = text
        else:
            message["reasoning_details"] = [{"type": "reasoning.text", "text": text}]


def _output_text(output: object) -> str:
    if isinstance(output, list) and all(isinstance(each, Mapping) and "text" in each for each in output):
        output = "".join(str(each["text"]) for each in output)
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return text or NO_OUTPUT
