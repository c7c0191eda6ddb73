"""Values that programs trip over."""

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TEXTS: Sequence[str] = (
    "",
    " ",
    "tea",
    "日本語のお茶",
    "🎉👩\u200d👩\u200d👧",
    "a\u0000b",
    "\ud800",
    "\ufeff\u202e\u2028",
    "%00%ff%0a",
    "'; DROP TABLE turns; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    '"' * 40,
    "\\" * 41,
    "*_[`" * 200,
    "x" * 5_000,
    "İıſK" * 30,
    "null",
    "1e999",
    "-1",
    "2026-02-30T25:61:00Z",
    "9999-12-31T23:59:60+99:99",
    "00000000-0000-0000-0000-000000000000",
)
NUMBERS: Sequence[object] = (0, -1, 1, 50, 2**31, 2**63, 2**64, 10**400, -0.0, 1.5, 1e308, float("nan"), float("inf"))
OTHERS: Sequence[object] = (None, True, False, [], {}, [[[]]], {"": None}, {"__proto__": 1}, ["a"] * 300)
MAX_DEPTH = 6
NESTED_LEVELS = 3_000


def hostile(chance: random.Random) -> Any:
    """Return any value that JSON can hold, and some that it cannot."""
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(TEXTS)
    if kind < 0.8:
        return chance.choice(NUMBERS)
    if kind < 0.82:
        return nested(NESTED_LEVELS)
    return chance.choice(OTHERS)


def nested(levels: int) -> str:
    """Return text of JSON's own signs; as a body it is a deep array."""
    return "[" * levels + "]" * levels


class Fitting:
    """Makes values that fit a schema of the document, with a hostile one here and there.

    Args:
        known: ids of things that are there, which are taken where an id is wanted.
        spoiling: how often, of 1, a value is hostile.
    """

    def __init__(
        self, chance: random.Random, schemas: Mapping[str, Any], known: Sequence[str], *, spoiling: float
    ) -> None:
        self._chance = chance
        self._schemas = schemas
        self._known = known
        self._spoiling = spoiling

    def value(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        if depth > MAX_DEPTH or self._chance.random() < self._spoiling:
            return hostile(self._chance)
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rpartition("/")[2]], depth + 1)
        for union in ("anyOf", "oneOf", "allOf"):
            if union in schema:
                return self.value(self._chance.choice(schema[union]), depth + 1)
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = self._chance.choice(kind)
        make = self._of_kind.get(kind)
        return make(schema, depth) if make else hostile(self._chance)

    @property
    def _of_kind(self) -> Mapping[Any, Callable[[Mapping[str, Any], int], Any]]:
        return {
            "object": self._object,
            "array": lambda schema, depth: [
                self.value(schema.get("items", {}), depth + 1) for _ in range(self._chance.randint(0, 3))
            ],
            "string": self._text,
            "integer": self._integer,
            "number": self._integer,
            "boolean": lambda *_: self._chance.random() < 0.5,
            "null": lambda *_: None,
        }

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            name: self.value(each, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name in required or self._chance.random() < 0.5
        }
        if self._chance.random() < self._spoiling:
            made[self._chance.choice(TEXTS)] = hostile(self._chance)
        return made

    def _text(self, schema: Mapping[str, Any], _depth: int) -> str:
        if schema.get("format") == "uuid":
            strange = self._chance.random() < 0.2 or not self._known
            return str(uuid.UUID(int=self._chance.getrandbits(128))) if strange else self._chance.choice(self._known)
        if schema.get("format") == "date-time":
            return self._chance.choice(("2026-01-31T09:30:00Z", "0001-01-01T00:00:00+14:00", "2026-01-31"))
        if "example" in schema and self._chance.random() < 0.5:
            return str(schema["example"])
        return self._chance.choice(TEXTS)

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        least, most = int(schema.get("minimum", -1)), int(schema.get("maximum", 100))
        return self._chance.choice((least, most, least - 1, most + 1, self._chance.randint(least, max(least, most))))
