"""DeepSeek: a tree in `mapping`, as ChatGPT has it, of messages in `fragments`: thoughts, a response."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import list_in, mapping_in, text_in
from chatkeep.transfer.formats.plain import Plain

KINDS = {"REQUEST": "text", "RESPONSE": "text", "THINK": "thinking"}


def _messages(value: Mapping[str, Any]) -> list[Any]:
    return [_message(name, node) for name, node in mapping_in(value, "mapping").items()]


def _message(name: str, node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    message = mapping_in(node, "message")
    fragments = list_in(message, "fragments")
    rest = {key: each for key, each in message.items() if key != "fragments"}
    around = {key: each for key, each in node.items() if key not in ("message", "children")}
    role = "user" if _is_request(fragments, message) else "assistant"
    said = {"content": [_block(each) for each in fragments]} if fragments else {}
    return {**rest, **around, "id": name, "role": role, **said}


def _is_request(fragments: list[Any], message: Mapping[str, Any]) -> bool:
    kinds = [text_in(each, "type") for each in fragments if isinstance(each, dict)]
    return "REQUEST" in kinds or text_in(message, "role") in ("USER", "user")


def _block(fragment: Any) -> Any:
    kind = text_in(fragment, "type") if isinstance(fragment, dict) else ""
    return {**fragment, "type": KINDS[kind]} if kind in KINDS else fragment


def _has_fragments(message: Mapping[str, Any]) -> bool:
    return any(isinstance(each, dict) and "type" in each and "content" in each for each in message.get("content") or ())


FORMAT = Plain(
    source="deepseek",
    program="DeepSeek",
    is_message=lambda message: isinstance(message.get("content"), list) and _has_fragments(message),
    messages=lambda value: _messages(value) if _is_deepseek(value) else [],
    keys=frozenset(["mapping"]),
).format()


def _is_deepseek(value: Mapping[str, Any]) -> bool:
    return any(list_in(mapping_in(node, "message"), "fragments") for node in mapping_in(value, "mapping").values())
