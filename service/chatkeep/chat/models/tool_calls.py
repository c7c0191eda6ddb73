"""Tool calls, put together from the parts in which they are streamed.

Source: OpenAI API reference, Chat completions, Streaming; Responses, Function call.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatkeep.chat.models.pieces import Item


@dataclass(slots=True)
class _Call:
    """One call so far."""

    call_id: str = ""
    name: str = ""
    custom: bool = False
    arguments: list[str] = field(default_factory=list)

    def item(self, number: int) -> Item:
        call_id, arguments = self.call_id or f"call_{number}", "".join(self.arguments)
        if self.custom:
            return Item({"type": "custom_tool_call", "call_id": call_id, "name": self.name, "input": arguments})
        return Item({"type": "function_call", "call_id": call_id, "name": self.name, "arguments": arguments})


class ToolCalls:
    """The calls of one reply, in the order in which they began; parallel ones may alternate."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[object, _Call] = {}
        self._newest: _Call | None = None

    def add(self, part: object) -> None:
        """Take in a member of `tool_calls`; what has no such form is passed over."""
        if not isinstance(part, Mapping):
            return
        kind = "custom" if isinstance(part.get("custom"), Mapping) else "function"
        body = part.get(kind)
        self._add(part.get("index"), part.get("id"), body if isinstance(body, Mapping) else {}, custom=kind == "custom")

    def add_legacy(self, part: object) -> None:
        """Take in a `function_call`, as it was before there were several."""
        if isinstance(part, Mapping):
            self._add("legacy", None, part, custom=False)

    def whole(self, *, cut: bool) -> list[Item]:
        """Return the calls. Of a reply that was `cut` the last one is left out: nobody may run a half."""
        calls = [call for call in self._calls if not cut or call is not self._newest]
        return [call.item(number) for number, call in enumerate(calls, start=1) if call.name]

    def _add(self, index: object, call_id: object, body: Mapping[str, Any], *, custom: bool) -> None:
        call = self._call(index, call_id if isinstance(call_id, str) else "", custom=custom)
        name, arguments = body.get("name"), body.get("input" if custom else "arguments")
        # Most servers tell the name once, some a part at a time, some the same with each part of the arguments.
        if isinstance(name, str) and name != call.name and not call.arguments:
            call.name += name
        if arguments:
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    def _call(self, index: object, call_id: str, *, custom: bool) -> _Call:
        """Return the call that a part belongs to: by its index, by its id where all have one index, or the newest."""
        key = index if isinstance(index, int | str) else call_id
        call = self._by_index.get(key) if key != "" else self._newest
        if call is None or (call_id and call.call_id and call_id != call.call_id):
            call = _Call(custom=custom)
            self._calls.append(call)
            self._by_index[key] = call
        call.call_id = call.call_id or call_id
        self._newest = call
        return call
