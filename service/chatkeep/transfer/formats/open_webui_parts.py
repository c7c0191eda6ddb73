"""The parts of a message of Open WebUI: texts, thoughts, calls of tools and their results.

They stand in one of three places: as `<details>` in the text, as they are shown; in `output`, in OpenAI's Responses
vocabulary; or in the fields of OpenAI's chat completions. `<details>` counts where Open WebUI writes it: at the
beginning of a line, with its type first, and not in a block of code.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.chat.items import reasoning_item
from chatkeep.transfer.formats.fields import list_in, mapping_in, rest_of, says_something, text_in, unread
from chatkeep.transfer.formats.parts import Part, call_item, items_as, json_in, output_item, put_together, with_rest

REASONING_FIELDS = ("reasoning_content", "reasoning")
FENCE = "```"
END = "</details>"

_THOUGHT = re.compile(r"\s*<think(?:ing)?>((?:[^<]++|<(?!/?think(?:ing)?>))*+)</think(?:ing)?>")
_MARK = re.compile(f'{FENCE}|^<details type="(reasoning|tool_calls|code_interpreter)"([^<>]*)>', re.MULTILINE)
_ATTRIBUTE = re.compile(r'\b([a-z_]+)="([^"]*)"')
_SUMMARY = re.compile(r"\s*<summary>[^<]*</summary>\n?")
_QUOTE = re.compile(r"^(?:>|&gt;) ?", re.MULTILINE)
_CODE = re.compile(rf"{FENCE}[^\n]*\n(.*?)\n?{FENCE}", re.DOTALL)


def parts_of_answer(text: str) -> list[Part]:
    """Return an answer part by part; what a model thought before it, in tags of its own, is reasoning."""
    found = _THOUGHT.match(text)
    if found is None:
        return parts_of_text(text)
    words, rest = found[1].strip(), text[found.end() :].lstrip()
    return [*([reasoning_item(words, "think", None)] if words else []), *(parts_of_text(rest) if rest else [])]


def parts_of_text(text: str) -> list[Part]:
    """Return a text part by part, with what Open WebUI folds as items."""
    parts: list[Part] = []
    at, in_code = 0, False
    for mark in _MARK.finditer(text):
        if mark.start() < at:
            continue
        if mark[1] is None:
            in_code = not in_code
        elif not in_code:
            end = text.find(END, mark.end())
            if end < 0:
                break
            attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(mark[2])}
            body = _SUMMARY.sub("", text[mark.end() : end], count=1)
            parts += [text[at : mark.start()].strip("\n"), *_folded(mark[1], attributes, body, f"call_{mark.start()}")]
            at = end + len(END)
    return [*parts, text[at:].strip("\n")] if parts else [text]


def _folded(kind: str, attributes: Mapping[str, str], body: str, call_id: str) -> Iterator[Part]:
    if kind == "reasoning":
        duration = attributes.get("duration", "")
        seconds = int(duration) if duration.isascii() and duration.isdigit() and len(duration) < 9 else None
        if words := html.unescape(_QUOTE.sub("", body.strip("\n"))):
            yield reasoning_item(words, "think", seconds)
        return
    call_id = attributes.get("id") or call_id
    rest = rest_of(
        attributes, dict.fromkeys(("id", "done", "name", "arguments", "result", "output", "duration"), unread)
    )
    rest = {
        name: each
        for name, each in rest.items()
        if says_something(json_in(each) if json_in(each) is not None else each)
    }
    if kind == "tool_calls":
        yield with_rest(call_item(call_id, attributes.get("name", ""), _value(attributes.get("arguments", ""))), rest)
        result = attributes.get("result") or body.strip("\n")
    else:
        code = _CODE.search(body)
        arguments = {"code": html.unescape(code[1] if code else body.strip("\n"))}
        yield with_rest(call_item(call_id, kind, arguments), rest)
        result = attributes.get("output", "")
    if result:
        yield output_item(call_id, _value(result))


def _value(written: str) -> Any:
    """Return the value of an attribute: JSON, which may be that of a text."""
    value = json_in(written)
    return written if value is None else value


def parts_of_output(output: list[Any]) -> list[Part] | None:
    """Return the parts that `output` lists; None where not all of it is known."""
    parts: list[Part] = []
    for each in output:
        found = list(_listed(each)) if isinstance(each, dict) else []
        if not found:
            return None
        parts += found
    return parts


def _listed(item: Mapping[str, Any]) -> Iterator[Part]:
    call_id = text_in(item, "call_id") or text_in(item, "id")
    match item.get("type"):
        case "message" if (words := _texts(item, "content")) is not None:
            yield "".join(words)
            yield from items_as("citation", (one for each in item["content"] for one in list_in(each, "annotations")))
        case "reasoning" if None not in (summary := _texts(item, "summary"), words := _texts(item, "content")):
            duration = item.get("duration")
            seconds = round(duration, 1) if isinstance(duration, int | float) else None
            thought = reasoning_item("\n\n".join([*(summary or ()), *(words or ())]), "think", seconds)
            yield with_rest(thought, _rest_of_item(item, "duration", "summary", "content"))
        case "function_call" if call_id:
            call = call_item(call_id, text_in(item, "name") or "", item.get("arguments"))
            yield with_rest(call, _rest_of_item(item, "name", "arguments"))
        case "function_call_output" if call_id:
            yield with_rest(output_item(call_id, item.get("output")), _rest_of_item(item, "output"))
        case str(kind) if kind.partition(":")[0] == "open_webui":
            yield from items_as(kind, [dict(item)])


def _rest_of_item(item: Mapping[str, Any], *read: str) -> dict[str, Any]:
    status = {"status": lambda value, name: value[name] == "completed"}
    return rest_of(item, dict.fromkeys(("type", "id", "call_id", *read), unread) | status)


def _texts(item: Mapping[str, Any], name: str) -> list[str] | None:
    """Return the texts that a field lists; None where there is anything else in it."""
    listed = item.get(name) or []
    if not isinstance(listed, list):
        return None
    texts = [text_in(each, "text") if isinstance(each, dict) else None for each in listed]
    return None if None in texts else [text for text in texts if text]


def same_words(one: list[Part], other: list[Part]) -> bool:
    """Tell whether two lists of parts have the same texts, but for white space."""
    return put_together(one)[0].split() == put_together(other)[0].split()


def thoughts_of(message: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the reasoning that stands in a field of a message, under the first name that has some."""
    for name in REASONING_FIELDS:
        if words := text_in(message, name):
            yield reasoning_item(words, name, None)
            return


def calls_of(message: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the calls that a message has in a field, as chat completions do."""
    for each in list_in(message, "tool_calls"):
        function = mapping_in(each, "function")
        call_id, name = text_in(mapping_in(each), "id"), text_in(function, "name")
        if call_id and name:
            rest = rest_of(
                {**each, "function": rest_of(function, {"name": unread, "arguments": unread})}, {"id": unread}
            )
            is_plain = rest == {"type": "function"}
            yield with_rest(call_item(call_id, name, function.get("arguments")), None if is_plain else rest)
        else:
            yield from items_as("tool_call", [each])
