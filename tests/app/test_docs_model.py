"""The document, in the words of a page."""

import json

import pytest

from chatkeep.app.docs_model import _kind, _reference, json_parts, prose


@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": None, "b": [True, -1.5e3, 'c: "d" \\'], "e:": {"": "あ"}}, "text", 7],
)
def test_coloured_json_is_the_json(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    assert "".join(part for _, part in json_parts(text)) == text


def test_json_is_coloured_by_kind() -> None:
    found = [(kind, part) for kind, part in json_parts('{"a": "b", "c": 1, "d": null}') if kind]
    assert found == [
        ("key", '"a"'),
        ("text", '"b"'),
        ("key", '"c"'),
        ("number", "1"),
        ("key", '"d"'),
        ("word", "null"),
    ]


def test_prose_has_code_and_emphasis() -> None:
    assert prose("**Lists** have `limit`.\n\nMore.") == [
        [("", ""), ("strong", "Lists"), ("", " have "), ("code", "limit"), ("", ".")],
        [("", "More.")],
    ]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "uuid"}, "uuid"),
        ({"type": "string", "minLength": 1, "maxLength": 200}, "string 1 to 200 characters"),
        ({"type": "string", "maxLength": 200}, "string up to 200 characters"),
        ({"type": "integer", "minimum": 1, "maximum": 200}, "integer 1 to 200"),
        ({"type": "integer", "minimum": 0}, "integer from 0"),
        ({"type": "number", "maximum": 0.5}, "number up to 0.5"),
        ({"enum": ["user", "admin"]}, '"user" or "admin"'),
        ({"const": 1}, "1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Turn"}}, "list of Turn"),
        ({}, "anything"),
    ],
)
def test_a_schema_in_a_few_words(schema: dict[str, object], kind: str) -> None:
    assert _kind(schema) == kind


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"$ref": "#/components/schemas/Turn"}, "Turn"),
        ({"$ref": "#/components/schemas/Page_Turn_"}, "Turn"),
        ({"anyOf": [{"$ref": "#/components/schemas/Turn"}, {"type": "null"}]}, "Turn"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Turn"}}, "Turn"),
        ({"type": "string"}, None),
    ],
)
def test_what_tells_more_of_a_schema(schema: dict[str, object], name: str | None) -> None:
    assert _reference(schema) == name
