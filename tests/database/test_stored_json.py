"""Every JSON value that PostgreSQL can hold is read, and can be written into an answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.database.stored_json import MAX_DEPTH, TOO_DEEP, dump_json, object_of, parse_json
from chatkeep.http.schemas import Answer, StoredObject

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Told(Answer):
    value: StoredObject


@given(VALUES)
def test_what_the_service_writes_it_reads_as_it_was(value: object) -> None:
    assert parse_json(dump_json(value)) == value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1" + "0" * 400, 10**400),
        ("1" + "0" * 5000, "1" + "0" * 5000),
        ("-1" + "0" * 130_000, "-1" + "0" * 130_000),
        ("1" + "0" * 400 + ".5", "1" + "0" * 400 + ".5"),
        ("0." + "0" * 400 + "1", 0.0),
        ("[" * 100_000 + "]" * 100_000, TOO_DEEP),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, TOO_DEEP),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), TOO_DEEP),
        ("[" + "[]," * 5_000 + "[]]", [[]] * 5_001),
    ],
)
def test_numbers_and_depths_that_no_answer_could_hold(text: str, read: object) -> None:
    assert parse_json(text) == read
    assert json.loads(Told(value=object_of(parse_json(text))).model_dump_json())


def test_the_deepest_value_that_is_read_can_be_told() -> None:
    deepest = parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert deepest != TOO_DEEP
    assert Told(value=object_of(deepest)).model_dump_json().count("[") == MAX_DEPTH


@pytest.mark.parametrize("value", [None, 1, "text", [1], True])
def test_what_is_no_object_is_told_in_one(value: object) -> None:
    assert object_of(value) == {"value": value}
    assert object_of({"a": 1}) == {"a": 1}
