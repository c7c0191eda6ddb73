"""Kept turns as UI messages, for a client that opens a chat again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chatkeep.chat.schemas import Turn
from chatkeep.openai.ids import FILE, to_own
from chatkeep.openai.output_items import items_by_our_ids
from chatkeep.ui_messages.chunks import metadata_of

Message = dict[str, Any]
Part = dict[str, Any]


def ui_messages_of(turns: Sequence[Turn]) -> list[Message]:
    """Return the messages of a path, oldest first. What a tool said belongs to the message that called it."""
    writer = _Writer()
    for turn in turns:
        writer.add(turn)
    return writer.messages


class _Writer:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._calls: dict[str, Part] = {}

    def add(self, turn: Turn) -> None:
        begun = False
        for item in items_by_our_ids(turn):
            role, parts = _said(item)
            if role is None:
                self._answer(item)
                continue
            if role == "assistant" and self._last_role == "assistant":
                message = self.messages[-1]
            else:
                message = self._message(turn, item, role)
            if role == "assistant":
                if not begun:
                    message["parts"].append({"type": "step-start"})
                    message["metadata"] = metadata_of(turn)
                begun = True
            message["parts"] += parts
            self._calls |= {part["toolCallId"]: part for part in parts if "toolCallId" in part}

    @property
    def _last_role(self) -> str | None:
        return self.messages[-1]["role"] if self.messages else None

    def _message(self, turn: Turn, item: Mapping[str, Any], role: str) -> Message:
        # The id that the stream gave it; of what a client brought along, that of its first item.
        own = any(message["id"] == str(turn.id) for message in self.messages)
        message: Message = {"id": str(item["id"]) if own or role != "assistant" else str(turn.id), "role": role}
        message["parts"] = []
        self.messages.append(message)
        return message

    def _answer(self, item: Mapping[str, Any]) -> None:
        call = self._calls.get(str(item.get("call_id")))
        if call is not None:
            call |= {"state": "output-available", "output": _json_or_text(item.get("output"))}


def _said(item: Mapping[str, Any]) -> tuple[str | None, list[Part]]:
    """Return an item's role and its parts; the output of a tool has no role."""
    match item:
        case {"type": "message", "role": str(role), "content": list(content)}:
            said = "assistant" if role == "assistant" else "system" if role in ("system", "developer") else "user"
            return said, [part for each in content for part in _parts(each)]
        case {"type": "reasoning"}:
            return "assistant", [
                {"type": "reasoning", "text": part["text"], "state": "done"} for part in item.get("content") or ()
            ]
        case {"type": "function_call", "call_id": str(call_id), "name": str(name)}:
            state, arguments = "input-available", _json_or_text(item.get("arguments"))
            return "assistant", [{"type": f"tool-{name}", "toolCallId": call_id, "state": state, "input": arguments}]
        case {"type": "function_call_output"}:
            return None, []
    return "assistant", [{"type": "data-item", "data": dict(item)}]


def _parts(part: Mapping[str, Any]) -> list[Part]:
    match part:
        case {"type": "input_image" | "input_file", "file_id": str(file_id)}:
            media_type = "image/*" if part["type"] == "input_image" else "application/octet-stream"
            named = {"filename": part["filename"]} if part.get("filename") else {}
            url = f"/api/v1/files/{to_own(FILE, file_id)}/content"
            return [{"type": "file", "mediaType": media_type, "url": url, **named}]
        case {"text": str(text)}:
            return [{"type": "text", "text": text, "state": "done"}]
        case {"refusal": str(text)}:
            return [{"type": "text", "text": text, "state": "done"}]
    return []


def _json_or_text(said: object) -> object:
    try:
        return json.loads(said) if isinstance(said, str) else said
    except ValueError:
        return said
