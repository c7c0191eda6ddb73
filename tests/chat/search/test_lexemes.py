"""Lexemes of turns, which no text breaks."""

import unicodedata

import pytest
from hypothesis import given

from chatkeep.chat.search.casefold import _joins, casefold, clusters
from chatkeep.chat.search.lexemes import (
    LONG_MARK,
    PART_BYTES,
    SEPARATOR,
    kind_of,
    kinds_of,
    lexemes_of,
    parts_of,
)
from chatkeep.database.user_lexeme import user_mark
from chatkeep.ids import new_id
from tests.chat.search.texts import TEXTS


@pytest.mark.parametrize(
    ("text", "lexemes"),
    [
        ("", set()),
        ("Tea, TEA and Ｔｅａ!", {"tea", "and"}),
        ("C++ is 3 > 2", {"c", "+", "is", "3", ">", "2"}),
        ("naïve Straße", {"naïve", "strasse"}),
        ("नमस्ते", {"नमस्ते"}),
        ("東京", {"東京", "京"}),
        ("ﾄｳｷｮｳ", {"トウ", "ウキ", "キョ", "ョウ", "ウ"}),
        ("AIの力", {"ai", "iの", "の力", "力"}),
        ("です。はい", {"です", "す。", "。は", "はい", "い"}),
        ("서울 시", {"서울", "울", "시"}),
        ("茶 tea", {"茶", "tea"}),
        ("🎉👍🏽", {"🎉", "👍", "🏽"}),
        ("soft\u00adhyphen ❤\ufe0f", {"softhyphen", "❤"}),
    ],
)
def test_lexemes(text: str, lexemes: set[str]) -> None:
    assert lexemes_of(text) == lexemes


def test_a_long_word_is_known_by_its_beginning() -> None:
    assert lexemes_of("a" * 100_000) == {"a" * 64}
    assert lexemes_of("é" * 100_000) == {"é" * 64}


@given(TEXTS)
def test_ascii_takes_a_shorter_way_to_the_same_lexemes(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert lexemes_of(plain) == lexemes_of(plain + " é") - {"é"}


@given(TEXTS)
def test_no_lexeme_holds_white_space_or_begins_like_a_mark(text: str) -> None:
    for lexeme in lexemes_of(text):
        assert lexeme
        assert not any(kind_of(character) == " " for character in lexeme)
        assert len(lexeme) == 1 or not lexeme.startswith("@") or "c" in kinds_of(lexeme)


@given(TEXTS)
def test_clusters_lead_back_from_the_folded_text(text: str) -> None:
    found = list(clusters(text, 0, len(casefold(text))))
    assert "".join(each.text for each in found) == text
    assert "".join(casefold(each.text) for each in found) == casefold(text)
    assert [each.start for each in found[1:]] == [each.end for each in found[:-1]]


def test_clusters_of_a_stretch_of_a_long_text_know_where_they_are() -> None:
    text = "ｶﾞかﾞＡ\u0301 the ﬁne 東京 각 ㄱㅏ𝒳ß…" * 500
    whole, at = casefold(text), 5_000
    found = list(clusters(text, at, at + 20))
    assert found[0].start <= at < at + 20 <= found[-1].end
    assert len(found) < 2_000
    for each in found:
        assert whole[each.start : each.end] == casefold(each.text)


def test_whatever_may_be_composed_with_what_is_before_is_known_to_join() -> None:
    """A character that Unicode says composes with another must not begin a cluster."""
    decomposed = [
        unicodedata.normalize("NFD", chr(code)) for code in range(0xA0, 0x1F000) if not 0xD800 <= code < 0xE000
    ]
    followers = {character for each in decomposed for character in each[1:]}
    for code in range(0xA0, 0x1F000):
        if not 0xD800 <= code < 0xE000 and unicodedata.normalize("NFKD", chr(code))[0] in followers:
            assert _joins(chr(code)), hex(code)


@given(TEXTS)
def test_a_turn_of_usual_length_has_one_part(text: str) -> None:
    user_id = new_id()
    (part,) = parts_of(user_id, (text, None, text))
    assert set(part.split(SEPARATOR)) == {user_mark(user_id)} | lexemes_of(text)


def test_a_turn_with_too_many_lexemes_has_parts_that_hold_each_of_them_once() -> None:
    user_id = new_id()
    text = "".join(chr(0x4E00 + n * 7919 % 20_900) + chr(0x4E00 + n * 104_729 % 20_893) for n in range(150_000))
    parts = [part.split(SEPARATOR) for part in parts_of(user_id, (text, "tea"))]
    assert len(parts) > 1
    for part in parts:
        assert part[:2] == [user_mark(user_id), LONG_MARK]
        assert sum(len(lexeme.encode()) for lexeme in part[2:]) <= PART_BYTES
    assert sorted(lexeme for part in parts for lexeme in part[2:]) == sorted(lexemes_of(text) | {"tea"})
