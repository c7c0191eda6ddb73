"""The content of a message in whichever field and shape: a text, blocks of many types, or texts in a list.

Programs that talk to the same model servers write much the same blocks. A type that nobody foresaw is text where it
holds one: it is what the other program showed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.items import reasoning_item
from chatkeep.transfer.formats.documents import TOOLS, document_text, without_words
from chatkeep.transfer.formats.fields import list_in, mapping_in, rest_of, says_something, text_in, unread
from chatkeep.transfer.formats.open_webui_files import PICTURE
from chatkeep.transfer.formats.parts import Part, call_item, items_as, output_item, with_rest
from chatkeep.transfer.imported import FileToFind

Block = Mapping[str, Any]

CONTENT_FIELDS = ("content", "contentParts", "content_list", "parts", "text", "value", "message", "mes", "body")
WORDS = ("text", "content", "value", "thinking", "reasoning", "think", "thought", "markdown")
THINKS = {"thinking", "reasoning", "think", "thought", "thoughts", "redacted_thinking"}
PICTURES = {"image", "image_url", "input_image", "inlinedata", "inline_data", "imagefile", "image_file", "file"}
CALL_IDS = ("id", "call_id", "toolCallId", "tool_use_id", "toolUseId")
NAMES = ("name", "toolName", "tool_name")
ARGUMENTS = ("input", "args", "arguments", "rawInput")
OUTPUTS = ("output", "result", "content")
MAX_PLACEHOLDER_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a message.

    Args:
        parts: texts and items, in order.
        rest: blocks, or fields of blocks, that are no part.
        field: the field of the message that it stands in; None where it says nothing.
    """

    parts: tuple[Part, ...] = ()
    rest: tuple[Any, ...] = ()
    field: str | None = None

    def is_results_alone(self) -> bool:
        """Tell whether there is nothing but outputs of tools, which some programs have the user say."""
        kinds = [None if isinstance(part, str) else part.get("type") for part in self.parts if part]
        return bool(kinds) and set(kinds) == {"function_call_output"}


def content_of(message: Mapping[str, Any], fields: tuple[str, ...] = CONTENT_FIELDS) -> Content:
    """Return the content of the first of the fields that says something."""
    for name in fields:
        value = message.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            if value:
                return Content((value,), (), name)
            continue
        parts, rest = _read(value)
        if any(parts):
            return Content(tuple(parts), tuple(rest), name)
    return Content()


def _read(value: Any) -> tuple[list[Part], list[Any]]:
    if isinstance(value, str):
        return [value], []
    if isinstance(value, Mapping):
        inner = next((value[name] for name in ("parts", "content", "text") if isinstance(value.get(name), list)), None)
        if inner is not None:
            return _read(inner)
    blocks = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    parts: list[Part] = []
    rest: list[Any] = []
    for block in blocks:
        found, more = _block(block)
        parts += found
        rest += [more] if says_something(more) else []
    return _joined(parts), rest


def _joined(parts: list[Part]) -> list[Part]:
    """Return the parts with neighbouring texts in one, a line each."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] = f"{joined[-1]}\n{part}"
        elif part:
            joined.append(part)
    return joined


def _block(block: Any) -> tuple[list[Part], Any]:
    """Return the parts of a block, and the rest of it."""
    if isinstance(block, str):
        return [block], None
    if not isinstance(block, dict):
        return [], block
    kind = (text_in(block, "type") or text_in(block, "phase") or "").lower().replace("-", "_")
    if kind in THINKS or block.get("thought") is True or block.get("isThought") is True:
        return _thought(block)
    inner = next((block[name] for name in ("tool_call", "toolInvocation") if isinstance(block.get(name), dict)), None)
    if inner is not None:
        return list(_tool(inner)), rest_of(block, dict.fromkeys(("type", "tool_call", "toolInvocation"), unread))
    if "tool" in kind or kind in ("function_call", "function_call_output", "server_tool_use"):
        return list(_tool(block)), None
    if kind in PICTURES or kind.startswith("image") or "inlineData" in block or "inline_data" in block:
        return _file(block)
    return _text(block)


def _words_of(block: Block) -> tuple[str, str]:
    """Return a block's words, and the field that holds them."""
    for name in WORDS:
        if isinstance(found := block.get(name), str) and found:
            return found, name
        if isinstance(found, dict) and (words := text_in(found, "value") or text_in(found, "text")):
            return words, name
    return "", ""


def _thought(block: Block) -> tuple[list[Part], Any]:
    words, name = _words_of(block)
    rest = _rest_of(block, name, "thought", "isThought")
    return ([with_rest(reasoning_item(words, "think", None), rest)], None) if words else ([], rest or None)


def _text(block: Block) -> tuple[list[Part], Any]:
    words, name = _words_of(block)
    rest = _rest_of(block, name)
    if isinstance(block.get(name), dict):
        rest |= rest_of({name: rest_of(block[name], {"value": text_in, "text": text_in})})
    return ([words] if words else []), rest


def _rest_of(block: Block, *read: str) -> dict[str, Any]:
    kinds = ("text", "input_text", "output_text", "thinking", "reasoning", "think", "answer", "step-start")
    plain = {name: lambda value, name: value[name] in kinds for name in ("type", "phase")}
    rest = rest_of(block, {**dict.fromkeys(read, unread), **plain})
    return {} if set(rest) <= {"type", "phase"} and not says_something(rest.get("type")) else rest


def _tool(block: Block) -> Iterator[Part]:
    """Yield the call of a tool, its output, or both: in one block, as some programs have it."""
    call_id = _first(block, CALL_IDS) or "call"
    kind = text_in(block, "type") or ""
    name = _first(block, NAMES) or (kind.removeprefix("tool-") if kind.startswith("tool-") else None)
    given = next((each for each in ARGUMENTS if each in block), None)
    made = next((each for each in OUTPUTS if says_something(block.get(each))), None)
    function = mapping_in(block, "function")
    is_call = given is not None or (name is not None and made is None) or bool(function)
    read = {"type", *CALL_IDS, *NAMES, given or "", made or "", "function" if function else ""}
    rest = rest_of(block, {**dict.fromkeys(read, unread), "state": unread})
    if is_call:
        arguments = block.get(given) if given else function.get("arguments")
        if name in TOOLS and isinstance(arguments, dict) and (document := document_text(arguments)):
            yield document
            arguments = without_words(arguments)
        yield with_rest(call_item(call_id, name or text_in(function, "name") or "tool", arguments), rest)
        rest = {}
    if made is not None:
        yield with_rest(output_item(call_id, block[made]), rest or None)


def _first(block: Block, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text_in(block, name))), None)


def _file(block: Block) -> tuple[list[Part], Any]:
    """Return a file of a message where its bytes are there, and a line in its place where it is a picture."""
    url, media_type = _url_of(block)
    name = _first(block, ("filename", "fileName", "file_name", "name"))
    is_picture = (media_type or "image/").startswith("image/") or str(block.get("type")).startswith("image")
    if url is None or not url.startswith("data:"):
        address = {"url": url} if url else {}
        parts: list[Part] = (
            [f"[Picture: {name[:MAX_PLACEHOLDER_CHARACTERS]}]" if name else PICTURE] if is_picture else []
        )
        return [*parts, *items_as("document", [{**block, **address}])], None
    rest = {} if url in (block.get("url"), text_in(mapping_in(block, "image_url"), "url")) else {"type": block["type"]}
    return [FileToFind("image" if is_picture else "file", url, name, rest), *([PICTURE] if is_picture else [])], None


def _url_of(block: Block) -> tuple[str | None, str | None]:
    """Return a file's address, or its bytes as a data: URL, and its media type."""
    source = next(
        (block[name] for name in ("source", "inlineData", "inline_data", "file") if isinstance(block.get(name), dict)),
        block,
    )
    media_type = _first(source, ("media_type", "mediaType", "mimeType", "mime_type"))
    data = _first(source, ("data", "file_data"))
    if data is not None:
        return (data if data.startswith("data:") else f"data:{media_type or 'image/png'};base64,{data}"), media_type
    address = text_in(mapping_in(block, "image_url"), "url") or _first(source, ("url", "image_url", "image"))
    return address, media_type


def texts_of(parts: tuple[Part, ...]) -> str:
    return "\n".join(part for part in parts if isinstance(part, str) and part)


def listed_files(message: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Part]:
    """Yield the files beside a message's content: pasted texts as text, everything else as documents."""
    for name in names:
        for each in list_in(message, name) if name in message else ():
            words = _pasted(each)
            if words:
                yield words
            yield from items_as("document", [_without_words(each) if words else each])


def _pasted(file: Any) -> str:
    if not isinstance(file, dict):
        return ""
    return next((words for name in ("extracted_content", "content") if (words := text_in(file, name))), "")


def _without_words(file: Block) -> dict[str, Any]:
    return {name: each for name, each in file.items() if name not in ("extracted_content", "content")}
