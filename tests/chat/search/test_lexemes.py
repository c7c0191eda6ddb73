"""Lexemes of turns, which no text breaks."""

import pytest
from hypothesis import given

from chatkeep.chat.search.lexemes import beginning, characters, end, lexemes_of, lexemes_of_turn, short_word
from chatkeep.database.user_lexeme import user_lexeme
from chatkeep.ids import new_id
from tests.chat.search.texts import TEXTS


@pytest.mark.parametrize(
    ("text", "words", "longer", "others"),
    [
        ("", [], [], []),
        ("Tea, TEA and Ｔｅａ!", ["tea", "and"], [], []),
        ("C++ is 3 > 2", ["c", "is", "3", "2"], [], ["+", ">"]),
        ("naïve Straße", [], ["naive", "stras"], []),
        ("kettles", [], ["kettl"], []),
        ("lighthouse", [], ["light", "lighthou"], []),
        ("getUserName", ["get", "user", "name"], ["getus", "getusern", "usern", "username"], []),
        ("v18.4", ["v", "18", "v18", "4"], [], []),
        ("max_body", ["max", "body"], [], ["_"]),
        ("नमस्ते", [], ["नमस्ते"[:5]], []),
        ("東京", [], [], ["东京", "东", "京"]),
        ("ﾄｳｷｮｳ", [], [], ["とう", "うき", "きょ", "ょう", "と", "う", "き", "ょ"]),
        ("AIの力", ["ai"], [], ["iの", "の力", "の", "力"]),
        ("서울 시", [], [], ["서울", "서", "울", "시"]),
        ("🎉👍🏽", [], [], ["🎉", "👍", "🏽"]),
        ("1,000", ["1", "000", "1000"], [], []),
    ],
)
def test_lexemes(text: str, words: list[str], longer: list[str], others: list[str]) -> None:
    found = {*map(short_word, words), *map(beginning, longer), *map(characters, others)}
    if text == "getUserName":
        found.add(end("getusername"))
    assert lexemes_of(text) == found


@given(TEXTS)
def test_ascii_takes_a_shorter_way_to_the_same_lexemes(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert lexemes_of(plain) == lexemes_of(plain + " ж") - {short_word("ж")}


@given(TEXTS)
def test_every_lexeme_is_an_integer_of_the_database(text: str) -> None:
    assert all(-(2**31) <= each < 2**31 for each in lexemes_of(text))


@given(TEXTS)
def test_a_turn_has_those_of_its_texts_and_of_its_user_once(text: str) -> None:
    user_id = new_id()
    found = lexemes_of_turn(user_id, (text, None, "tea"))
    assert found == sorted({user_lexeme(user_id)} | lexemes_of(text) | lexemes_of("tea"))
