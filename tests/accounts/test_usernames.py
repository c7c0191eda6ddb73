import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.accounts.usernames import MAX_CHARACTERS, character_pairs, require_username, username_key
from chatkeep.errors import Invalid

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_CHARACTERS)


@given(names)
def test_a_key_is_its_own_key(name: str) -> None:
    key = username_key(name)
    assert username_key(key) == key


@given(names)
def test_width_and_normal_form_make_no_difference(name: str) -> None:
    key = username_key(name)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert username_key(unicodedata.normalize(form, name)) == key
    wide = "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in name)
    assert username_key(wide) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [("straße", "STRASSE"), ("σίσυφος", "ΣΊΣΥΦΟΣ"), ("ſam", "Sam"), ("K9", "k9"), ("ÅNGSTRÖM", "ångström"), ("ǆ", "Ǆ")],
)
def test_case_makes_no_difference(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@given(names)
def test_a_name_that_is_taken_shows_all_that_it_is(name: str) -> None:
    try:
        require_username(name)
    except Invalid:
        return
    for text in (name, username_key(name)):
        assert text
        assert text == "".join(text.split())
        assert text.isprintable()


@pytest.mark.parametrize(
    "name", ["alice", "Ålesund", "山田太郎", "José-María_7", "a" * MAX_CHARACTERS, "🦊", "ǰ", "ΐ", "İstanbul"]
)
def test_names_of_any_script_are_taken(name: str) -> None:
    assert require_username(name) == name


def test_pairs_find_any_part_of_two_characters_or_more() -> None:
    pairs = set(character_pairs("Ａlice", None, "a@Example.org"))
    for part in ("al", "ICE", "ｅｘ", "@ex"):
        assert set(character_pairs(part)) <= pairs
    assert not set(character_pairs("zz")) <= pairs
    assert character_pairs("", None, "x") == []
