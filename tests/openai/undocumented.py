"""A document of the routes that are in none, for programs that make requests from one: `/v1`, and the AI SDK's chats.

Their bodies take anything; the document says more of what a client sends, so that random requests get further.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from chatkeep.openai.routers import ROUTERS
from chatkeep.ui_messages.chats import router as ui_chats_router

Schema = dict[str, Any]

ROUTES = [route for router in (*ROUTERS, ui_chats_router) for route in router.routes if isinstance(route, APIRoute)]
# Of the names of fields, whatever body they stand in.
PARTS: Schema = {
    "type": "array",
    "items": {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "type": {
                        "enum": ["input_text", "output_text", "text", "refusal", "reasoning", "tool-x", "step-start"]
                    },
                    "text": {"type": "string"},
                    "refusal": {},
                    "toolCallId": {"type": "string"},
                    "state": {"enum": ["output-available", "output-error", "input-available"]},
                    "input": {},
                    "output": {},
                },
                "required": ["type", "text"],
            },
            {
                "type": "object",
                "properties": {
                    "type": {"enum": ["input_image", "image_url", "input_file", "file", "image"]},
                    "image_url": {},
                    "file_data": {},
                    "file_id": {},
                    "url": {"type": "string"},
                    "mediaType": {"type": "string"},
                },
                "required": ["type"],
            },
            {"type": "object"},
        ]
    },
}
ITEM: Schema = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "role": {"enum": ["user", "assistant", "system", "developer", "tool"]},
                "content": {"anyOf": [{"type": "string"}, PARTS]},
                "tool_calls": {},
                "tool_call_id": {"type": "string"},
                "phase": {},
            },
            "required": ["role", "content"],
        },
        {
            "type": "object",
            "properties": {
                "type": {"enum": ["function_call", "function_call_output", "reasoning", "item_reference", "x"]},
                "call_id": {},
                "name": {},
                "arguments": {},
                "output": {},
                "summary": {},
                "content": {},
                "encrypted_content": {},
            },
            "required": ["type"],
        },
    ]
}
ITEMS: Schema = {"type": "array", "items": ITEM, "minItems": 1}
FIELDS: Mapping[str, Schema] = {
    "input": {"anyOf": [{"type": "string"}, ITEMS]},
    "items": ITEMS,
    "parts": PARTS,
    # Else most of what is made waits for a model that is not there.
    "model": {"type": "string", "minLength": 1, "maxLength": 20},
}


def document_of(ids: Mapping[str, str]) -> Schema:
    """Return the document.

    Args:
        ids: what there is, by the names that paths and bodies have for it.
    """
    routes = [copy(route) for route in ROUTES]
    for route in routes:
        route.include_in_schema = True
        route.path_format = route.path_format.replace(":path", "")
    document = get_openapi(title="/v1", version="1", routes=routes)
    for schema in list(_objects(document)):
        properties = schema.get("properties")
        if isinstance(properties, dict) and "$ref" not in schema:
            properties |= {name: _or_known(name, each, ids) for name, each in properties.items()}
            if "messages" in properties and "message" not in properties:
                properties["messages"] = ITEMS
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _or_known(parameter["name"], parameter["schema"], ids)
            # Any status may come; what a fault is, the checks say.
            operation["responses"] = {"default": {"description": "Whatever comes."}}
    return document


def _or_known(name: str, schema: Schema, ids: Mapping[str, str]) -> Schema:
    if name in ids:
        return {"anyOf": [{"const": ids[name]}, {"const": ids[name]}, {"type": "string", "minLength": 1}]}
    return FIELDS.get(name, schema)


def _objects(value: Any) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)
