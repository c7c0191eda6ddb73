"""JSON as RFC 8259 and RFC 7493 have it."""

import json

import pytest
from fastapi.exceptions import RequestValidationError

from chatkeep.http.strict_json import is_storable, parse_json


def refusal(body: bytes) -> tuple[str, tuple[object, ...]]:
    with pytest.raises(RequestValidationError) as caught:
        parse_json(body)
    (error,) = caught.value.errors()
    return error["type"], tuple(error["loc"])


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        10**400,
        "",
        "かな 👩‍👩‍👧 \u2028",
        [],
        {},
        {"a": [1, {"b": None}]},
        {"": {"": []}},
        "\ufffe\uffff",
    ],
)
def test_what_json_can_say_is_read(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b"{'a':1}",
        b'{"a":1,}',
        b"[1,]",
        b"[1 2]",
        b"01",
        b"+1",
        b".5",
        b"nul",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'{"a": NaN}',
        b'"\x01"',
        b'"\t"',
        b'"\\x41"',
        b'"\\u12"',
        b"\xff",
        b'"\xed\xa0\x80"',  # a surrogate, as UTF-8 would have it if it might
        b'"\xc0\x80"',  # U+0000 in more bytes than it takes
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 4301,
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert refusal(body) == ("json_invalid", ("body",))


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'[{"x":{"b":0,"c":0,"b":0}}]'])
def test_a_name_twice_is_refused(body: bytes) -> None:
    assert refusal(body) == ("json_invalid", ("body",))


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"\uDFFF", r"\udc00\ud800", r"a\u0000b", r"\ud83d\u0041"])
def test_text_that_cannot_be_kept_is_found_wherever_it_is(text: str) -> None:
    assert refusal(f'"{text}"'.encode()) == ("invalid_text", ("body",))
    assert refusal(f'{{"a":"{text}"}}'.encode()) == ("invalid_text", ("body", "a"))
    assert refusal(f'{{"a":{{"{text}":1}}}}'.encode()) == ("invalid_text", ("body", "a"))
    assert refusal(f'{{"a":[0,{{"b":"{text}"}}]}}'.encode()) == ("invalid_text", ("body", "a", 1, "b"))


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json(rb'"\ud83d\ude00"') == "😀"


def test_text_that_cannot_be_kept_is_found_as_deep_as_anything_can_be() -> None:
    assert refusal(b"[" * 400 + rb'"\u0000"' + b"]" * 400)[0] == "invalid_text"


def test_a_refusal_quotes_nothing() -> None:
    with pytest.raises(RequestValidationError) as caught:
        parse_json(b'{"password": "a secret"')
    assert "secret" not in repr(caught.value.errors())
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("text", "storable"), [("", True), ("\x01\x7f", True), ("a\x00", False), ("\ud800", False)])
def test_what_postgresql_can_keep(text: str, storable: bool) -> None:
    assert is_storable(text) is storable
