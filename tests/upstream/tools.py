"""What the test server makes of tools and of formats: a call where the prompt is about a tool, and JSON of a schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
MADE_TEXT = "Kyoto"
_MADE = {"string": MADE_TEXT, "integer": 7, "number": 7.5, "boolean": True, "null": None}


def calls_for(body: Document, newest_prompt: str) -> list[Document]:
    """Return the calls that answer a request; none where the tools have been asked, or the prompt is about none."""
    messages = body.get("messages") or [{}]
    if messages[-1].get("role") == "tool" or body.get("tool_choice") == "none":
        return []
    functions = [tool["function"] for tool in body.get("tools") or ()]
    chosen = [each for each in functions if _is_about(each["name"], newest_prompt)] or _forced(body, functions)
    # Another id for each call of a conversation: clients tell calls by it.
    return [_call(number, f"call_{len(messages)}_{number}", each) for number, each in enumerate(chosen)]


def _is_about(name: str, prompt: str) -> bool:
    return any(len(word) > 3 and word in prompt.lower() for word in name.lower().split("_"))


def _forced(body: Document, functions: Sequence[Document]) -> Sequence[Document]:
    match body.get("tool_choice"):
        case "required":
            return functions[:1]
        case {"function": {"name": str(name)}}:
            return [each for each in functions if each["name"] == name]
    return ()


def _call(number: int, call_id: str, function: Document) -> Document:
    arguments = json.dumps(example_of(function.get("parameters") or {}))
    return {
        "index": number,
        "id": call_id,
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def outputs_in(messages: Sequence[Document]) -> Iterator[str]:
    """Yield what the tools said since the newest prompt, oldest first."""
    newest = max((at for at, each in enumerate(messages) if each.get("role") == "user"), default=0)
    for message in messages[newest:]:
        if message.get("role") == "tool":
            yield str(message["content"])


def formatted(body: Document) -> str | None:
    """Return JSON of the schema that a request asks for; None where it asks for none."""
    match body.get("response_format"):
        case {"json_schema": {"schema": Mapping() as schema}}:
            return json.dumps(example_of(schema))
        case {"type": "json_object"}:
            return json.dumps({"answer": MADE_TEXT})
    return None


def example_of(schema: Document) -> Any:
    """Return a value of a JSON schema, the same each time; references are not followed."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            return {name: example_of(each) for name, each in (schema.get("properties") or {}).items()}
        case "array":
            return [example_of(schema.get("items") or {"type": "string"})]
        case str(kind):
            return _MADE[kind]
    return None
