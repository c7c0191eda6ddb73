"""LM Studio: each message in `versions`, of which one is selected; an answer is made of `steps`.

The other versions are siblings: what follows hangs on the selected one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chatkeep.transfer.formats.fields import id_in, list_in, mapping_in, text_in
from chatkeep.transfer.formats.plain import Plain


def _messages(value: Mapping[str, Any]) -> list[Any]:
    return list(_versions(list_in(value, "messages")))


def _versions(messages: list[Any]) -> Iterator[Any]:
    before: str | None = None
    for place, message in enumerate(messages):
        versions = list_in(message, "versions") if isinstance(message, dict) else []
        chosen = mapping_in(message).get("currentlySelected")
        for number, version in enumerate(versions):
            if isinstance(version, dict):
                yield {**_one(version), "id": f"{place}.{number}", "parent": before}
            else:
                yield version
        if versions:
            before = f"{place}.{chosen if type(chosen) is int and 0 <= chosen < len(versions) else 0}"
        else:
            yield message


def _one(version: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version with its content in one place: that of all its steps."""
    steps = version.get("steps")
    if not isinstance(steps, list):
        return dict(version)
    rest = {name: each for name, each in version.items() if name != "steps"}
    return {**rest, "content": [block for step in steps for block in _blocks(step)]}


def _blocks(step: Any) -> list[Any]:
    content = list_in(step, "content") if isinstance(step, dict) else []
    if not content:
        return [step]
    rest = {name: each for name, each in step.items() if name not in ("content", "type", "style")}
    is_thought = text_in(mapping_in(step, "style"), "type") == "thinking"
    blocks = [{**block, "type": "thinking"} if is_thought and isinstance(block, dict) else block for block in content]
    return [*blocks, rest] if rest else blocks


FORMAT = Plain(
    source="lmstudio",
    program="LM Studio",
    is_message=lambda message: "role" in message and ("content" in message or "steps" in message),
    messages=lambda value: _messages(value) if _has_versions(value) else [],
    # A file has no id but its name, which changes with the title.
    conversation=lambda value: {"id": id_in(value, "createdAt"), **value},
    titles=("name", "title"),
).format()


def _has_versions(value: Mapping[str, Any]) -> bool:
    return any(isinstance(each, dict) and "versions" in each for each in list_in(value, "messages")[:50])
