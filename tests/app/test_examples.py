"""Examples that nobody wrote."""

from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from chatkeep.app.examples import example_of

SCHEMAS: dict[str, Any] = {
    "Leaf": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}},
    "Branch": {
        "type": "object",
        "required": ["leaves", "kind"],
        "properties": {
            "leaves": {"type": "array", "items": {"$ref": "#/components/schemas/Leaf"}},
            "kind": {"enum": ["a", "b"]},
            "at": {"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00Z"]},
            "left_out": {"type": "string"},
        },
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Branch"},
        {"anyOf": [{"$ref": "#/components/schemas/Leaf"}, {"type": "null"}]},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "object", "additionalProperties": True},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"const": "ok"},
        {"type": "string", "format": "date-time"},
        {},
    ],
)
def test_an_example_is_made_from_a_schema(schema: dict[str, Any]) -> None:
    whole = schema | {"components": {"schemas": SCHEMAS}}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    assert [error.message for error in validator.iter_errors(example_of(schema, SCHEMAS))] == []


def test_what_may_be_left_out_is_left_out_unless_it_has_an_example() -> None:
    assert example_of(SCHEMAS["Branch"], SCHEMAS).keys() == {"leaves", "kind", "at"}
