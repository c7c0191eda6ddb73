from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models.context import MESSAGE_TOKENS, EarlierTurn, estimate_tokens, fit_context

texts = st.text(max_size=60)
turns = st.builds(EarlierTurn, st.text(min_size=1, max_size=60), st.none() | texts)


def cost(text: str | None) -> int:
    return estimate_tokens(text) + MESSAGE_TOKENS if text else 0


def turn_cost(turn: EarlierTurn) -> int:
    return cost(turn.prompt) + cost(turn.reply)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("hello world!", 4),
        ("日", 2),
        ("日本語", 5),
        ("こんにちは世界", 11),
        ("привет", 6),
        ("👍", 3),
    ],
)
def test_estimates_of_known_texts(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(texts, texts)
def test_longer_text_never_costs_less_and_parts_never_less_than_the_whole(left: str, right: str) -> None:
    whole = estimate_tokens(left + right)
    assert max(estimate_tokens(left), estimate_tokens(right)) <= whole
    assert whole <= estimate_tokens(left) + estimate_tokens(right)


@given(st.text(min_size=1))
def test_any_text_costs_at_least_one_token_and_at_most_three_a_character(text: str) -> None:
    assert 1 <= estimate_tokens(text) <= 3 * len(text)


@given(st.none() | texts, st.lists(turns, max_size=8), texts, st.integers(0, 300))
def test_the_newest_turns_that_fit_are_shown_in_order_without_gaps(
    system: str | None, newest_first: list[EarlierTurn], prompt: str, limit: int
) -> None:
    shown = fit_context(system, newest_first, prompt, limit)
    left = limit - cost(system) - cost(prompt)
    kept = [
        turn
        for turn, so_far in zip(newest_first, accumulate(map(turn_cost, newest_first)), strict=True)
        if so_far <= left
    ]
    sides = [content.side for content in shown.get_contents()]
    assert sides == ["requester", "responder"] * (len(sides) // 2) + ["requester"]
    said = [("\n\n" if not turn.reply else turn.reply) for turn in reversed(kept)]
    expected = "".join(turn.prompt + after for turn, after in zip(reversed(kept), said, strict=True)) + prompt
    if kept and not kept[0].reply and not prompt:
        expected = expected.removesuffix("\n\n")  # there is nothing to keep apart
    assert "".join(content.message or "" for content in shown.get_contents()) == expected


@given(st.lists(turns, max_size=8), st.integers(0, 300), st.integers(0, 300))
def test_more_room_never_shows_less(newest_first: list[EarlierTurn], limit: int, more: int) -> None:
    narrow = fit_context(None, newest_first, "?", limit).get_contents()
    wide = fit_context(None, newest_first, "?", limit + more).get_contents()
    narrow_text, wide_text = ("".join(content.message or "" for content in each) for each in (narrow, wide))
    assert wide_text.endswith(narrow_text)


def test_system_and_prompt_are_sent_even_beyond_the_limit() -> None:
    shown = fit_context("You are kind.", [EarlierTurn("a", "b")], "質問です" * 100, limit_tokens=1)
    assert [message["role"] for message in shown.to_openai_messages()] == ["system", "user"]


def test_a_turn_that_does_not_fit_hides_the_older_ones_too() -> None:
    newest_first = [EarlierTurn("near", "yes"), EarlierTurn("long " * 500, None), EarlierTurn("far", "no")]
    shown = fit_context(None, newest_first, "now", limit_tokens=200)
    assert [content.message for content in shown.get_contents()] == ["near", "yes", "now"]


@pytest.mark.parametrize("reply", [None, ""])
def test_an_unanswered_turn_goes_before_the_next_prompt(reply: str | None) -> None:
    shown = fit_context(None, [EarlierTurn("asked", reply)], "again", limit_tokens=100)
    assert [content.message for content in shown.get_contents()] == ["asked\n\nagain"]


def test_a_partial_reply_is_shown_as_it_is() -> None:
    shown = fit_context(None, [EarlierTurn("数えて", "一、二、")], "続けて", limit_tokens=100)
    assert shown.get_responder_last_msg() == "一、二、"


def test_turns_are_read_no_further_than_needed() -> None:
    def endless() -> Iterator[EarlierTurn]:
        while True:
            yield EarlierTurn("question", "answer")

    assert fit_context(None, endless(), "now", limit_tokens=1000).get_turn() > 10
