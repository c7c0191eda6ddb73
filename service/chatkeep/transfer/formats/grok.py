"""Grok: a `conversation`, and `responses`, which the user's messages are among."""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import list_in, mapping_in
from chatkeep.transfer.formats.plain import Plain

FORMAT = Plain(
    source="grok",
    program="Grok",
    is_message=lambda response: "sender" in response and "message" in response,
    messages=lambda value: [_message(each) for each in list_in(value, "responses")],
    conversation=lambda value: mapping_in(value, "conversation") or value,
    keys=frozenset(["responses"]),
).format()


def _message(response: Any) -> Any:
    inner: Mapping[str, Any] = mapping_in(response, "response")
    if not inner:
        return response
    return {**inner, **{name: each for name, each in response.items() if name != "response" and name not in inner}}
