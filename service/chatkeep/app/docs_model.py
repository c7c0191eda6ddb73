"""The OpenAPI document as a person reads it: calls by subject, with their fields, examples and errors."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Schema = Mapping[str, Any]

# Stands for the address of the service until somebody asks for the page.
ORIGIN = "https://chatkeep.invalid"

_JSON_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)'
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body, or one parameter."""

    name: str
    kind: str
    required: bool
    description: str
    # The name of the schema that tells more.
    more: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is not an error."""

    status: str
    phrase: str
    description: str
    media_type: str | None
    example: str | None
    more: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    status: str
    code: str
    detail: str
    example: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    who: str
    parameters: list[Field]
    fields: list[Field]
    body: str | None
    answers: list[Answer]
    problems: list[Problem]
    curl: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The calls of one tag."""

    name: str
    description: str
    calls: list[Call]


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema that bodies refer to."""

    name: str
    description: str
    fields: list[Field]


def subjects(document: Schema) -> list[Subject]:
    """Return the document's calls, by its tags and in its order."""
    # Routes that an application adds to its own may have no tag, and are in no subject.
    calls = [
        (next(iter(operation.get("tags", ())), None), _call(document, method, path, operation))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    return [
        Subject(tag["name"], tag["description"], [call for name, call in calls if name == tag["name"]])
        for tag in document["tags"]
    ]


def shapes(document: Schema) -> list[Shape]:
    """Return the schemas with fields, pages of lists aside: each is a list of its items."""
    return [
        Shape(name, schema.get("description", ""), _fields(schema))
        for name, schema in sorted(document["components"]["schemas"].items())
        if "properties" in schema and not name.startswith("Page_")
    ]


def json_parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) for the parts of a JSON text, so that a page can colour them; kind is "" in between."""
    end = 0
    for found in _JSON_TOKEN.finditer(text):
        yield "", text[end : found.start()]
        yield found.lastgroup or "", found[0]
        end = found.end()
    yield "", text[end:]


def prose(text: str) -> list[list[tuple[str, str]]]:
    """Return the paragraphs of a description as (kind, text): `code`, **strong**, or "" in between."""
    parts = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*")
    paragraphs = []
    for paragraph in text.strip().split("\n\n"):
        end, found = 0, []
        for match in parts.finditer(paragraph):
            found += [("", paragraph[end : match.start()]), (match.lastgroup or "", match[match.lastgroup or 0])]
            end = match.end()
        paragraphs.append([*found, ("", paragraph[end:])])
    return paragraphs


def _call(document: Schema, method: str, path: str, operation: Schema) -> Call:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = _body_schema(document, content["schema"]) if content else {}
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        who=_who(operation),
        parameters=[_parameter(each) for each in operation.get("parameters", ())],
        fields=_fields(body),
        body=_pretty(content["example"]) if content else None,
        answers=[_answer(status, each) for status, each in operation["responses"].items() if status < "400"],
        problems=[
            Problem(status, code, example["value"]["detail"], _pretty(example["value"]))
            for status, each in operation["responses"].items()
            if status >= "400"
            for code, example in each["content"]["application/problem+json"]["examples"].items()
        ],
        curl=_curl(method, path, operation),
    )


def _who(operation: Schema) -> str:
    if not operation["security"]:
        return "Anyone"
    return "Administrators" if operation.get("tags") == ["Administration"] else "The signed-in"


def _body_schema(document: Schema, schema: Schema) -> Schema:
    name = _reference(schema)
    found: Schema = document["components"]["schemas"][name] if name else schema
    return found


def _fields(schema: Schema) -> list[Field]:
    required = schema.get("required", ())
    return [
        Field(name, _kind(each), name in required, each.get("description", ""), _reference(each))
        for name, each in schema.get("properties", {}).items()
    ]


def _parameter(parameter: Schema) -> Field:
    schema = parameter["schema"]
    default = f" Default: {json.dumps(schema['default'])}." if "default" in schema else ""
    where = "" if parameter["in"] == "query" else f" · {parameter['in']}"
    return Field(
        parameter["name"], _kind(schema) + where, parameter.get("required", False), parameter["description"] + default
    )


def _answer(status: str, answer: Schema) -> Answer:
    contents: Mapping[str, Any] = answer.get("content", {})
    media_type = next(iter(contents), None)
    content: Mapping[str, Any] = contents[media_type] if media_type else {}
    example = content.get("example")
    shown = example if isinstance(example, str) and media_type != "application/json" else _pretty(example)
    return Answer(
        status=status,
        phrase=HTTPStatus(int(status)).phrase,
        description=answer["description"],
        media_type=media_type,
        example=None if example is None else shown.rstrip(),
        more=_reference(content.get("schema", {})),
    )


def _reference(schema: Schema) -> str | None:
    """Return the name of the schema that `schema` is, is a list of, may be, or is a page of."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].removeprefix("Page_").removesuffix("_")
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if schema.get("items") else ())]
    return next((name for each in inner if (name := _reference(each))), None)


def _kind(schema: Schema) -> str:
    """Return a schema in a few words."""
    if name := schema.get("$ref"):
        return str(name).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return " ".join([schema.get("format") or schema.get("type", "anything"), *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    unit = " characters" if schema.get("type") == "string" else ""
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is not None and high is not None:
        yield f"{low:g} to {high:g}{unit}" if high < 1_000_000 else f"from {low:g}{unit}"
    elif high is not None:
        yield f"up to {high:g}{unit}"
    elif low is not None:
        yield f"from {low:g}{unit}"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _curl(method: str, path: str, operation: Schema) -> str:
    named = [each for each in operation.get("parameters", ()) if each["in"] == "path"]
    path = path.format(**{each["name"]: each["example"] for each in named})
    lines = ["curl" if method == "get" else f"curl -X {method.upper()}", shlex.quote(ORIGIN + path)]
    if operation["security"]:
        lines.append("-b cookies.txt")
    if "Set-Cookie" in operation["responses"].get("200", operation["responses"].get("201", {})).get("headers", {}):
        lines.append("-c cookies.txt")
    contents = operation.get("requestBody", {}).get("content", {})
    if content := contents.get("application/json"):
        lines.append("-H 'Content-Type: application/json'")
        lines.append("-d " + shlex.quote(json.dumps(content["example"], ensure_ascii=False)))
    if "multipart/form-data" in contents and "application/octet-stream" not in contents:
        lines.append("-F file=@FILE")
    if "application/octet-stream" in contents:
        lines.append("--data-binary @FILE")
    return " ".join(lines[:2]) + "".join(f" \\\n  {line}" for line in lines[2:])
