"""Every format, by its example: read whole, known again, longer the second time, and never a cost to its neighbours.

A format that is added is held to all of this by its example alone: see `examples.py`.
"""

import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkeep.clock import utc_now
from chatkeep.transfer.archive import values_in
from chatkeep.transfer.batch_reader import BatchReader, ReadConversation
from chatkeep.transfer.formats.detection import FORMATS, read_conversation
from tests.support.running_service import Person, RunningService
from tests.transfer.formats.examples import EXAMPLES, Example, at, title
from tests.transfer.upload_client import history, imported, said

# Nothing but places in a tree, roles, and what is written in another form.
NAMES = [each.name or each.source for each in EXAMPLES]
LONG = 3_000
# In the place of any field of any message.
BAD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, 2**70, "", "x" * LONG, "\x00", "\ud800", [], {}, [None], {"a": None}, [[]]),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", -62135596800, 253402300799999, "user", ["x", 7], {"text": 7}),
)

every = pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def read(file: Any) -> list[ReadConversation]:
    """Read a file as an import does."""
    found = values_in(io.BytesIO(json.dumps(file).encode()), max_bytes=10**9)
    reader = BatchReader([("", found)], UUID(int=1))
    conversations: list[ReadConversation] = []
    while batch := reader.next_batch(utc_now()):
        conversations += batch
    return conversations


def told(example: Example, number: int, turns: int) -> list[tuple[str, str]]:
    count = 1 if example.source == "gemini" else turns
    return [(f"question {number}.{turn}", f"answer {number}.{turn}") for turn in range(1, count + 1)]


def turns_of(conversation: ReadConversation) -> list[tuple[str, str]]:
    assert conversation.rows is not None, conversation.reason
    return [(turn["prompt"], turn["reply"]) for turn in conversation.rows.turns]


def test_every_format_has_an_example() -> None:
    assert {each.source for each in FORMATS} - {each.source for each in EXAMPLES} == {"chatkeep"}


@every
def test_it_is_read_by_its_own_format_with_all_that_it_says(example: Example) -> None:
    conversations = read([example.write(1, 3), example.write(2, 1)])
    assert [each.source for each in conversations] == [example.source] * 2
    assert [turns_of(each) for each in conversations] == [told(example, 1, 3), told(example, 2, 1)]
    rows = conversations[0].rows
    assert rows is not None
    assert {turn["status"] for turn in rows.turns} == {"complete"}
    if example.has_title:
        assert rows.conversation["title"] == title(1)
    if example.has_times:
        assert rows.turns[0]["created_at"] == at(1)
        assert rows.turns[0]["completed_at"] == (at(1) if example.source == "gemini" else at(1, 5))


@every
def test_lines_are_read_as_a_list_is(example: Example) -> None:
    lines = "\r\n".join(json.dumps(example.write(number, 1)) for number in (1, 2))
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le"):
        found = values_in(io.BytesIO(lines.encode(encoding)), max_bytes=10**9)
        batch = BatchReader([("", found)], UUID(int=1)).next_batch(utc_now())
        assert [turns_of(each) for each in batch] == [told(example, number, 1) for number in (1, 2)]


@every
async def test_twice_is_once_and_longer_adds_what_is_new(person: Person, example: Example) -> None:
    assert (await imported(person, [example.write(1, 1), example.write(2, 1)]))["imported"] == 2
    again = await imported(person, [example.write(1, 1), example.write(2, 1)])
    assert (again["imported"], again["continued"], again["skipped"]) == (0, 0, 2)
    if not example.has_ids:
        return
    longer = await imported(person, [example.write(1, 3)])
    assert (longer["imported"], longer["continued"], longer["turns_added"]) == (0, 1, 2), longer
    (kept,) = [each for each in await history(person) if each["turn_count"] == 3]
    assert said(kept) == told(example, 1, 3)
    assert (await imported(person, [example.write(1, 3)]))["skipped"] == 1


def places_in(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every field and element of a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield (*above, name)
        yield from places_in(each, (*above, name))


def mangled(value: Any, place: tuple[Any, ...], bad: Any) -> Any:
    copy = json.loads(json.dumps(value))
    at_place = copy
    for name in place[:-1]:
        at_place = at_place[name]
    at_place[place[-1]] = bad
    return copy


def other_than(value: Any, bad: object) -> bool:
    return json.dumps(value) != json.dumps(bad)


@every
def test_only_the_bad_one_fails_wherever_it_stands(example: Example) -> None:
    """Each field with bad values, in each place between good ones over all of them."""
    value = example.write(3, 2)
    for number, place in enumerate(places_in(value)):
        for shift, bad in enumerate(BAD[number % 3 :: 3]):
            at_place = (number // 3 + shift) % 3
            good = [example.write(1, 1), example.write(2, 1)]
            conversations = read([*good[:at_place], mangled(value, place, bad), *good[at_place:]])
            kept = [turns_of(each) for each in conversations if each.rows is not None]
            for each in (1, 2):
                assert told(example, each, 1) in kept, (place, bad)
            assert all(any(prompt or reply for prompt, reply in each) for each in kept if each), (place, bad)


@every
async def test_the_database_refuses_at_most_the_bad_ones(service: RunningService, example: Example) -> None:
    value = example.write(3, 2)
    bad = [mangled(value, place, BAD[number % len(BAD)]) for number, place in enumerate(places_in(value))]
    person = await service.person()
    middle = len(bad) // 2
    file = [example.write(1, 1), *bad[:middle], example.write(2, 1), *bad[middle:], example.write(4, 1)]
    report = await imported(person, file)
    assert report["imported"] + report["skipped"] + report["continued"] + len(report["failed"]) == len(file)
    kept = [said(each) for each in await history(person)]
    assert all(told(example, number, 1) in kept for number in (1, 2, 4))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_anything_in_the_place_of_any_field_costs_its_conversation_alone(data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(EXAMPLES))
    value = example.write(3, 2)
    place = data.draw(st.sampled_from([*places_in(value)]))
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=20)
        | st.sampled_from(BAD),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    file = [example.write(1, 1), example.write(2, 1)]
    file.insert(data.draw(st.integers(0, 2)), mangled(value, place, data.draw(anything)))
    kept = [turns_of(each) for each in read(file) if each.rows is not None]
    assert told(example, 1, 1) in kept
    assert told(example, 2, 1) in kept


@every
def test_every_text_of_it_is_kept(example: Example) -> None:
    """A field that no reader knows is set aside, in a conversation and in a message."""
    value = example.write(1, 1)
    for place in [(), *places_in(value)]:
        inside = value
        for name in place:
            inside = inside[name]
        if isinstance(inside, dict) and place[-1:] not in (("mapping",), ("messages",)):
            marked = (
                mangled(value, (*place, "note"), "a note nobody foresaw")
                if place
                else value | {"note": "a note nobody foresaw"}
            )
            kept = read_conversation(marked)
            assert "a note nobody foresaw" in repr(kept), place
