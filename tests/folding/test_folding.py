"""One folding of texts, and the way back from it."""

import unicodedata

import pytest
from hypothesis import given

from chatkeep.folding.folding import _joins, bare, clusters, fold, marked
from chatkeep.folding.han_variants import HAN_VARIANTS
from tests.chat.search.texts import TEXTS


@pytest.mark.parametrize(
    ("text", "folded", "plain"),
    [
        ("İIı", "iii", "iii"),
        ("ΑΣ ας ß", "ασ ασ ss", "ασ ασ ss"),
        ("Ünï Đ ø ё й", "ünï đ ø ё й", "uni d o е й"),
        ("ﾄﾏﾄ とまと", "トマトとまと", "とまととまと"),
        ("−–—‐-ー1", "------1", None),
        ("’‘´ “x” «x» 〜～", '\'\'\' "x" "x" ~~', None),
        ("كـــتاب الشَّعْبُ", "کتاب الشعب", None),
        ("שָׁלוֹם", "שלום", None),
        ("東 京\n都 A 語", "东京都a语", None),
        ("プリンター キー", "プリンタキー", None),
        ("서울 시", "서울 시", None),
    ],
)
def test_examples(text: str, folded: str, plain: str | None) -> None:
    assert fold(text) == folded
    assert bare(fold(text)) == (plain or bare(folded))


def test_parts_of_words_are_marked() -> None:
    text = "getUserName HTTPServer v18 iPhone max_V2 foo\u200bbar 9Am"
    assert marked(text).replace("\0", "|") == "get|user|name http|server v|18 i|phone max_v2 foo|bar 9|am"


@given(TEXTS)
def test_a_folded_text_is_as_long_without_accents(text: str) -> None:
    assert len(bare(fold(text))) == len(fold(text))


@given(TEXTS)
def test_clusters_lead_back_from_the_folded_text(text: str) -> None:
    found = list(clusters(text, 0, len(fold(text))))
    assert "".join(each.text for each in found) == text
    assert [each.start for each in found[1:]] == [each.end for each in found[:-1]]
    if found:
        assert (found[0].start, found[-1].end) == (0, len(fold(text)))


def test_clusters_of_a_stretch_of_a_long_text_know_where_they_are() -> None:
    text = "ｶﾞかﾞＡ\u0301 the ﬁne 東京 각 ㄱㅏ𝒳ß…" * 500
    whole, at = fold(text), 5_000
    found = list(clusters(text, at, at + 20))
    assert found[0].start <= at < at + 20 <= found[-1].end
    assert len(found) < 2_000
    for each in found:
        assert whole[each.start : each.end] in (fold(each.text), "")


def test_whatever_may_be_composed_with_what_is_before_is_known_to_join() -> None:
    """A character that Unicode says composes with another must not begin a cluster."""
    decomposed = [
        unicodedata.normalize("NFD", chr(code)) for code in range(0xA0, 0x1F000) if not 0xD800 <= code < 0xE000
    ]
    followers = {character for each in decomposed for character in each[1:]}
    for code in range(0xA0, 0x1F000):
        if not 0xD800 <= code < 0xE000 and unicodedata.normalize("NFKD", chr(code))[0] in followers:
            assert _joins(chr(code)), hex(code)


def test_a_variant_leads_to_one_that_leads_nowhere() -> None:
    assert all(len(each) == 1 and ord(each) not in HAN_VARIANTS for each in HAN_VARIANTS.values())
    assert fold("國學體點") == fold("国学体点")
