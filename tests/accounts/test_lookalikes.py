"""Skeletons of names, asked of Unicode's own examples and of names that people have."""

import hashlib
import unicodedata
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.accounts.lookalikes import DIGEST_BYTES, TABLE, prototypes, skeleton, skeleton_digests
from chatkeep.accounts.usernames import MAX_CHARACTERS, username_key

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_CHARACTERS)
# The names of accounts are kept with what this file made of them.
KEPT_BY = "c194857ff3f68353bb55e6ea27e5b16eca37c060eac26a53953719f82bf5de41"


def alike(one: str, other: str) -> bool:
    return not set(skeleton_digests(one)).isdisjoint(skeleton_digests(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "p\u0430yp\u0430l"),  # Cyrillic
        ("scope", "\u0455\u0441\u043e\u0440\u0435"),
        ("admin", "\u0251dmin"),
        ("Alice", "\u13aalice"),  # Cherokee
        ("alice", "\u0410LICE"),  # a Cyrillic capital: a capital of a name is the same name
        ("bob", "\u0412ob"),  # whose small letter looks otherwise
        ("paypal", "paypaI"),  # the capital of i
        ("PAYPAL", "paypa1"),
        ("user1", "userl"),
        ("b0b", "bob"),
        ("arnold", "arno1d"),
        ("modern", "modem"),
        ("MODERN", "modem"),
        ("Ивaн", "Иван"),  # a Latin a among Cyrillic letters
        ("ニ", "二"),
        ("ｐａｙｐａｌ", "p\u0430ypal"),  # full width
        # Capitals that are one letter in two scripts, while their small letters are not.
        ("admin", "AD\u041cIN"),
        ("sam", "SA\u041c"),
        ("kim", "\u041a\u0406\u041c"),
        ("\u0422\u041e\u041c", "tom"),
        ("\u039d\u0399\u039d\u0391", "nina"),  # Greek
    ],
)
def test_names_that_look_alike_have_a_skeleton_in_common(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "bob"),
        ("user1", "user2"),
        ("kai", "kal"),
        ("ali", "all"),
        ("admin", "admín"),
        ("jose", "josé"),
        ("山田", "山口"),
        ("Иван", "Иванов"),
        ("алиса", "alice"),
        ("tanaka太郎", "tanaka次郎"),
        ("Σωκράτης", "Socrates"),
    ],
)
def test_names_that_can_be_told_apart_have_none(one: str, other: str) -> None:
    assert not alike(one, other)


@given(names)
def test_spellings_of_one_name_look_alike(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert alike(unicodedata.normalize(form, name), name)
    assert alike(username_key(name), name)


@given(names)
def test_what_names_are_compared_by_is_short_whatever_the_name(name: str) -> None:
    digests = skeleton_digests(name)
    assert 1 <= len(digests) <= 3
    assert {len(each) for each in digests} == {DIGEST_BYTES}


@given(names)
def test_a_skeleton_is_its_own_skeleton(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)


def test_the_table_has_every_letter_that_is_used_to_mislead() -> None:
    found = prototypes()
    assert len(found) > 6000
    assert [found[each] for each in "m1I|0"] == ["rn", "l", "l", "l", "O"]
    assert not {"\u200e", "\u200f"} & set("".join(found.values()))


def test_the_table_is_the_one_that_kept_names_were_compared_by() -> None:
    """Where this fails after an update of the table, a migration has to set `users.name_skeletons` to null: the
    service then fills it in again.
    """
    package, name = TABLE
    assert hashlib.sha256((resources.files(package) / name).read_bytes()).hexdigest() == KEPT_BY
