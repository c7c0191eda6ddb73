import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models import event_stream
from chatkeep.chat.models.event_stream import Event, EventParser, EventTooLong

LINES = st.sampled_from(
    (
        "data: a",
        "data:b",
        "data: é東🙂",
        "data",
        "data: {",
        ": comment",
        "event: x",
        "event:",
        "error: e",
        "id: 1",
        "",
        '{"a": 1}',
        "{",
        "junk",
    )
)
ENDS = st.sampled_from(("\n", "\r", "\r\n"))


def parsed(*received: bytes) -> list[Event]:
    parser = EventParser()
    return [*(event for part in received for event in parser.feed(part)), *parser.finish()]


@given(st.lists(LINES, max_size=12), ENDS, st.integers(0, 80), st.booleans())
def test_where_the_bytes_are_cut_changes_nothing(lines: list[str], end: str, at: int, last: bool) -> None:
    raw = (end.join(lines) + end * last).encode()
    whole = parsed(raw)
    assert whole == parsed(raw[:at], raw[at:]) == parsed(*(raw[at : at + 1] for at in range(len(raw))))
    assert whole == parsed(raw.replace(end.encode(), b"\n"))


def test_an_event_is_read_with_all_that_it_has() -> None:
    raw = b"\xef\xbb\xbfevent: note\ndata: one\nid: 5\ndata:  two\n\nerror: gone\n\n: nothing\n\n"
    assert parsed(raw) == [Event("note", "one\n two"), Event(error="gone")]


def test_json_that_stands_alone_is_an_event() -> None:
    assert parsed(b'{"a": 1}\n{"b": 2}\n') == [Event(data='{"a": 1}', bare=True), Event(data='{"b": 2}', bare=True)]
    assert parsed(b'{\n  "a": 1\n}') == [Event(data='{\n  "a": 1\n}', bare=True)]


@pytest.mark.parametrize("raw", [b"data: " + b"x" * 200, b"data: x\n" * 40, b"data: " + b"x" * 200 + b"\n\n"])
def test_an_event_has_a_greatest_length(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 100)
    for parts in ((raw,), tuple(raw[at : at + 1] for at in range(len(raw)))):
        with pytest.raises(EventTooLong):
            parsed(*parts)
