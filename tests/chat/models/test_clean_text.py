import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models import OutputCleaner, clean_output

# Any code point at all, and often those that matter here.
anything = st.text(
    st.one_of(st.characters(exclude_categories=()), st.sampled_from("\x00\ud83d\ude00\udc00a日😀")), max_size=12
)


def in_pieces(pieces: list[str]) -> str:
    cleaner = OutputCleaner()
    return "".join([*map(cleaner.feed, pieces), cleaner.finish()])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("日本語 😀 e\u0301\r\n\t", "日本語 😀 e\u0301\r\n\t"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d", "\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("\ud83dx", "\ufffdx"),
    ],
)
def test_whole_texts(text: str, clean: str) -> None:
    assert clean_output(text) == clean
    assert in_pieces([text]) == clean


def test_a_pair_split_over_two_pieces_becomes_one_character() -> None:
    cleaner = OutputCleaner()
    assert [cleaner.feed("smile \ud83d"), cleaner.feed("\ude00!"), cleaner.finish()] == ["smile ", "😀!", ""]


def test_a_half_pair_at_the_end_is_replaced() -> None:
    cleaner = OutputCleaner()
    assert (cleaner.feed("end \ud83d"), cleaner.finish()) == ("end ", "\ufffd")


def test_nothing_is_held_back_but_a_half_pair() -> None:
    assert OutputCleaner().feed("日本") == "日本"


@given(st.lists(anything))
def test_pieces_come_out_as_the_whole_text_would(pieces: list[str]) -> None:
    assert in_pieces(pieces) == clean_output("".join(pieces))


@given(anything)
def test_what_comes_out_can_be_kept(text: str) -> None:
    clean = clean_output(text)
    assert "\x00" not in clean
    assert clean.encode("utf-8").decode("utf-8") == clean


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_text_that_can_be_kept_is_not_changed(text: str) -> None:
    assert clean_output(text) == text
