"""Whole texts taken apart: what is given out never changes, and together it is the reply."""

import pytest

from chatkeep.chatstream.text_diff import DeltaExtractor


def additions(*wholes: str, passing: tuple[str, ...] = (), final: str | None = None) -> list[str]:
    growth = DeltaExtractor(passing)
    return [*(growth.add(whole) for whole in wholes), growth.finish(final)]


@pytest.mark.parametrize(
    ("wholes", "expected"),
    [
        (["a", "ab", "abc"], ["a", "b", "c", ""]),
        (["a ", "a b"], ["a", " b", ""]),
        (["a ", "a "], ["a", "", " "]),
        (["日\ufffd", "日\ufffd\ufffd", "日本"], ["日", "", "本", ""]),
        (["\ufffd"], ["", "\ufffd"]),
        ([""], ["", ""]),
        ([], [""]),
    ],
)
def test_what_is_sure_is_given_out_at_once(wholes: list[str], expected: list[str]) -> None:
    assert additions(*wholes) == expected


def test_the_beginning_of_a_stop_string_is_held_back() -> None:
    assert additions("a<", "a</", "a</s", "a", passing=("</s>",), final="a") == ["a", "", "", "", ""]
    assert additions("a<", "a<b", passing=("</s>",)) == ["a", "<b", ""]


def test_what_is_replaced_later_is_held_back() -> None:
    assert additions("a<N", "a<NL", "a\nb", passing=("<NL>",)) == ["a", "", "\nb", ""]


def test_a_reply_that_is_trimmed_at_its_end_stays_as_it_was_seen() -> None:
    assert "".join(additions("ab.", final="ab")) == "ab."


def test_nothing_of_a_rewritten_reply_is_lost() -> None:
    assert additions("one", "two", final="two three") == ["one", "", "\n\ntwo three"]
