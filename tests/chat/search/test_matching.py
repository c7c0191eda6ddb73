"""Matches of a query, held against a plain reading of the rules, on anything that people write."""

import html
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chatkeep.chat.search.lexemes import lexemes_of
from chatkeep.chat.search.matching import matches
from chatkeep.chat.search.query import SearchQuery, parse_query
from chatkeep.chat.search.snippets import SNIPPET_CHARACTERS, snippet
from chatkeep.errors import NothingToFind
from chatkeep.folding.folding import fold
from tests.chat.search import reference
from tests.chat.search.texts import MIXED, PIECES, TEXTS

QUERIES = st.one_of(
    st.lists(PIECES, min_size=1, max_size=4).map("".join),
    st.lists(PIECES, min_size=1, max_size=3).map(" ".join),
    st.lists(PIECES, min_size=1, max_size=4).map(lambda pieces: f'"{"".join(pieces)}"'),
    st.tuples(PIECES, st.lists(PIECES, max_size=3).map("".join)).map(lambda pair: f'{pair[0]} "{pair[1]}'),
)


@st.composite
def found_somewhere(draw: st.DrawFn) -> tuple[str, str, str]:
    """A query, mostly of pieces of the two texts that come with it."""
    pieces = st.lists(PIECES, min_size=1, max_size=10)
    prompt, reply = draw(pieces), draw(pieces)
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        text = draw(st.sampled_from([prompt, reply]))
        start = draw(st.integers(0, len(text) - 1))
        part = "".join(text[start : start + draw(st.integers(1, 4))])
        parts.append(draw(st.sampled_from([part, part.upper(), f'"{part}"'])))
    filler = draw(st.sampled_from(["", "<b>&amp;</b> ", "長い文章。" * 60, "ｶﾞ ﬁ<" * 90]))
    return " ".join(parts), filler + "".join(prompt) + filler, "".join(reply) + filler


def read(query: str) -> SearchQuery | None:
    try:
        return parse_query(query)
    except NothingToFind:
        return None


@settings(max_examples=400)
@given(st.one_of(found_somewhere(), st.tuples(QUERIES, MIXED, MIXED)))
def test_what_fits_is_what_the_rules_say(drawn: tuple[str, str, str]) -> None:
    query, prompt, reply = drawn
    assume(not re.search(r"(?<!\S)[-−]|:", query))  # operators have tests of their own
    asked = read(query)
    assert (asked is None) == (not reference.words_of(query))
    if asked is not None:
        assert matches(asked, prompt, reply) == reference.expected(query, prompt, reply)


@settings(max_examples=400)
@given(found_somewhere())
def test_whatever_fits_has_the_lexemes_that_it_is_looked_for_by(drawn: tuple[str, str, str]) -> None:
    query, prompt, reply = drawn
    asked = read(query)
    assume(asked is not None and matches(asked, prompt, reply))
    assert asked is not None
    lexemes = lexemes_of(prompt) | lexemes_of(reply)
    for term in asked.terms:
        for clause in term.clauses:
            assert clause.lexemes & lexemes


@given(TEXTS, st.data())
def test_any_two_characters_or_more_of_japanese_find_their_text(text: str, data: st.DataObject) -> None:
    text = fold(text) + "東京。"
    end = data.draw(st.integers(2, len(text)))
    start = data.draw(st.integers(0, end - 2))
    part = text[start:end]
    assume(not re.search(r'[\s"“”„«»「」『』]', part) and any(map(reference.is_part_of_text, fold(part))))
    assume(fold(part) in fold(text) and "*" not in part and ":" not in part and not part.startswith("-"))
    assert matches(parse_query(part), text, None)


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("tea", "Green TEA.", True),
        ("tea", "teapot steam", False),
        ("tea green", "Green tea", True),
        ("tea black", "Green tea", False),
        ('"green tea"', "Green\n  TEA!", True),
        ('"green tea"', "tea green", False),
        ('"green tea"', "evergreen tea", False),
        ('"green tea', "my green tea", True),
        ("“green tea”", "my green tea", True),
        ("don't", "I don’t know", True),
        ("2026-11-25", "on 2026/11/25", False),
        ("2026-11-25", "on 2026‑11‑25", True),
        ("c++", "C++ is", True),
        ("c++", "c + +", False),
        ("c", "c++", True),
        ("ＴＥＡ", "tea", True),
        ("strasse", "Straße", True),
        ("東京", "これは東京都です", True),
        ("京都", "これは東京都です", True),
        ("東都", "これは東京都です", False),
        ("トウキョウ", "ﾄｳｷｮｳ", True),
        ("です。は", "これです。はい", True),
        ("です。は", "これです、はい", False),
        ("Iの", "AIの力", True),
        ("茶", "緑茶", True),
        ("茶 コーヒー", "茶とコーヒー", True),
        ("울", "서울 시", True),
        ("🎉", "done🎉!", True),
        ("❤", "I ❤\ufe0f tea", True),
        ("葛城", "葛\U000e0100城", True),
        ("%", "100%", True),
        ("%", "100", False),
        ("…  !? “”", "…", None),
        ("", "", None),
    ],
)
def test_examples(query: str, text: str, *, found: bool | None) -> None:
    asked = read(query)
    assert (None if asked is None else matches(asked, text, None)) is found


def test_terms_may_be_in_prompt_and_reply_but_no_term_in_both() -> None:
    assert matches(parse_query("green black"), "green tea", "black tea")
    assert not matches(parse_query('"tea black"'), "green tea", "black tea")
    assert not matches(parse_query("東京"), "東", "京")


def bare(shown: str) -> str:
    return html.unescape(re.sub("</?mark>", "", shown)).strip("…")


@settings(max_examples=300)
@given(found_somewhere())
def test_a_snippet_is_the_text_itself_with_the_matches_marked(drawn: tuple[str, str, str]) -> None:
    query, prompt, reply = drawn
    asked = read(query)
    assume(asked is not None and matches(asked, prompt, reply))
    assert asked is not None
    shown = snippet(asked, prompt, reply)
    assert any(bare(shown) in text for text in (prompt, reply))
    assert len(bare(shown)) <= SNIPPET_CHARACTERS
    assert not re.sub("</?mark>", "", shown).count("<")
    assert re.fullmatch("[^<]*(<mark>[^<]+</mark>[^<]*)+", shown)


def test_a_snippet_of_a_long_text_is_around_the_match() -> None:
    text = "ｶﾞ<b>&amp;ﬁlm</b> " * 5_000 + "Here 東京ﾀﾜｰ stands. " + "ｶﾞ ﬁlm " * 5_000
    shown = snippet(parse_query("東京タワー"), "no", text)
    assert "Here <mark>東京ﾀﾜｰ</mark> stands." in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "&lt;b&gt;&amp;amp;" in shown
    assert len(bare(shown)) <= SNIPPET_CHARACTERS


def test_a_match_that_is_longer_than_a_snippet_is_cut() -> None:
    assert snippet(parse_query("東" * 400), "東" * 500, None) == f"<mark>{'東' * SNIPPET_CHARACTERS}</mark>…"
