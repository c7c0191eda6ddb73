"""The log of a reply: one order, positions that never change, and the same again from what is kept."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.items import refusal_of
from chatkeep.chat.models import Item, Piece, Reasoning, Refusal, Text, TextWasReasoning, clean_output
from chatkeep.chat.reply_log import (
    ITEM,
    ReplyLog,
    ReplySpan,
    between,
    fits_reply,
    items_of,
    length_of,
    stretches_of,
)

# Half characters, U+0000, and what a terminal would break on.
WHOLE = "ab \n日\u2028\u0301"
texts = st.text(st.sampled_from(f"{WHOLE}👍\x00\ud83d\udc4d"), min_size=1, max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
pieces = st.one_of(
    texts.map(Text),
    texts.map(Text),
    st.builds(Reasoning, texts, st.sampled_from(["reasoning_content", "reasoning", "think"])),
    texts.map(Refusal),
    st.fixed_dictionaries({"type": st.sampled_from(["function_call", "x"])}, optional={"value": values}).map(Item),
)
replies = st.lists(pieces, max_size=12)


def log_of(said: Sequence[Piece]) -> ReplyLog:
    log = ReplyLog()
    for piece in said:
        log.append(piece)
    log.finish()
    return log


def parts(stretches: Sequence[ReplySpan]) -> list[tuple[int, str | None, str]]:
    """Stretches, position by position."""
    found: list[tuple[int, str | None, str]] = []
    for each in stretches:
        if each.kind == ITEM:
            found.append((each.position, each.kind, each.text))
        else:
            found += [(each.position + at, each.kind, character) for at, character in enumerate(each.text)]
    return found


@given(replies)
def test_positions_have_no_gap_and_neighbours_of_a_kind_are_one(said: list[Piece]) -> None:
    log = log_of(said)
    stretches = log.stretches()
    assert [position for position, _, _ in parts(stretches)] == list(range(log.length))
    assert all(before.kind != after.kind or after.kind == ITEM for before, after in pairwise(stretches))
    assert all(each.text for each in stretches)


@given(replies)
def test_nothing_that_is_in_it_ever_changes(said: list[Piece]) -> None:
    log, before = ReplyLog(), parts([])
    for piece in said:
        grown = log.append(piece)
        now = parts(log.stretches())
        assert now[: len(before)] == before
        assert grown == (len(now) > len(before))
        before = now


@given(replies)
def test_all_that_was_said_is_in_it_in_its_order(said: list[Piece]) -> None:
    log = log_of(said)
    spoken = "".join(each.text for each in said if isinstance(each, Text))
    if {type(each) for each in said} <= {Text}:
        assert (log.text(), log.items()) == (clean_output(spoken), None)
    # Of halves of a character it depends on what is between them.
    assert clean_output(log.text()) == log.text()
    assert [each for each in log.text() if each in WHOLE] == [each for each in spoken if each in WHOLE]
    kinds = [each.kind for each in log.stretches() if each.kind == ITEM]
    refusals = sum(
        isinstance(each, Refusal) and not isinstance(before, Refusal) for before, each in pairwise([None, *said])
    )
    assert len(kinds) == sum(isinstance(each, Item) for each in said) + refusals


@given(replies, st.integers(0, 30), st.integers(1, 30))
def test_any_stretch_of_it_is_what_stands_there(said: list[Piece], start: int, most: int) -> None:
    log = log_of(said)
    everything = parts(log.stretches())
    assert parts(log.stretches(start)) == everything[start:]
    assert parts(log.stretches(start, most)) == everything[start : start + most]
    assert parts(list(between(log.stretches(), start, start + most))) == everything[start : start + most]


@given(replies)
def test_what_is_kept_of_it_gives_the_same_log(said: list[Piece]) -> None:
    log = log_of(said)
    text, items = log.text(), log.items()
    assert [(each.position, each.kind) for each in stretches_of(text, items)] == [
        (each.position, each.kind) for each in log.stretches()
    ]
    assert parts(list(stretches_of(text, items))) == parts(log.stretches())
    assert length_of(text, items) == log.length
    assert items is None or fits_reply(text, items)
    # Of plain text nothing is repeated, and so nothing is there.
    assert (items is None) == all(each.kind is None for each in log.stretches())


@given(replies, st.lists(st.integers(0, 40), max_size=4))
def test_fragments_written_at_any_time_give_the_same_items(said: list[Piece], cuts: list[int]) -> None:
    log = log_of(said)
    written, fragments = 0, []
    for cut in [*sorted(cuts), log.length]:
        for each in between(log.stretches(), written, cut):
            fragments.append(each)
            written = each.position + each.length
    whole = list(between(fragments, 0, log.length))
    assert whole == log.stretches()
    assert items_of(whole, lambda _: None) == items_of(log.stretches(), lambda _: None)


@given(replies, replies)
def test_text_that_was_reasoning_keeps_its_positions(before: list[Piece], after: list[Piece]) -> None:
    log, renamed = log_of([*before, Item({"type": "x"}), *after]), log_of([*before, TextWasReasoning("think"), *after])
    assert parts(log_of(before).stretches())[: log_of(before).length] == [
        (position, None if kind == "think" and (position, None) in _texts(before) else kind, text)
        for position, kind, text in parts(renamed.stretches())[: log_of(before).length]
    ]
    assert renamed.text() == log_of(after).text()
    assert log.length == renamed.length + 1
    items = renamed.items()
    assert parts(list(stretches_of(renamed.text(), items))) == parts(renamed.stretches())


def _texts(said: list[Piece]) -> set[tuple[int, None]]:
    return {(position, None) for position, kind, _ in parts(log_of(said).stretches()) if kind is None}


def test_half_a_character_does_not_wait_for_another_kind() -> None:
    log = log_of([Reasoning("so \ud83d", "think"), Text("\udc4d!"), Refusal("no "), Refusal("way")])
    assert (log.text(), refusal_of(log.items())) == ("\ufffd!", "no way")
    assert log.items() == [
        {"type": "reasoning", "text": "so \ufffd", "field": "think", "seconds": 0.0},
        {"type": "message", "start": 0, "end": 2},
        {"type": "refusal", "refusal": "no way"},
    ]


def test_it_tells_how_long_each_reasoning_took() -> None:
    times = iter([9.0, 10.0, 12.5, 20.0, 20.25])
    log = ReplyLog(clock=lambda: next(times))
    for piece in (Reasoning("a", "think"), Reasoning("b", "think"), Text("!"), Reasoning("c", "reasoning")):
        log.append(piece)
    log.finish()
    assert [each["seconds"] for each in log.items() or () if each["type"] == "reasoning"] == [2.5, 0.2]


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        ({"type": "x", "v": float("inf")}, {"type": "x", "v": "inf"}),
        ({"type": "x", "a\x00": "b\ud800"}, {"type": "x", "a\ufffd": "b\ufffd"}),
        ({"type": "x", "v": 10**5000}, {"type": "x", "v": "This number is too large to be kept."}),
        ({"no": "type"}, {"no": "type", "type": "unknown"}),
        ({"type": 7}, {"type": "unknown"}),
    ],
)
def test_items_are_kept_as_the_database_can(item: dict[str, Any], kept: dict[str, Any]) -> None:
    assert log_of([Item(item)]).items() == [kept]


def test_an_item_that_is_nested_without_end_is_kept_to_a_depth() -> None:
    deep: dict[str, Any] = {"type": "x"}
    for _ in range(10_000):
        deep = {"type": "x", "in": deep}
    assert "too deep" in str(log_of([Item(deep)]).items())


@pytest.mark.parametrize(
    "items",
    [
        [{"type": "message", "start": 0, "end": 2}],
        [{"type": "message", "start": 1, "end": 3}],
        [{"type": "message", "start": 0, "end": 2}, {"type": "message", "start": 1, "end": 3}],
        [{"type": "message", "start": 0, "end": 4}],
        [{"type": "message", "start": 3, "end": 0}, {"type": "message", "start": 0, "end": 3}],
        [],
    ],
)
def test_items_that_do_not_fit_their_text_are_told_apart(items: list[dict[str, Any]]) -> None:
    assert not fits_reply("abc", items)
