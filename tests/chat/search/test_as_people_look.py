"""Searches as people make them: what one keyboard and another write is equal, signs are what they are."""

import pytest

from chatkeep.chat.search.lexemes import lexemes_of
from chatkeep.chat.search.matching import matches
from chatkeep.chat.search.query import parse_query

SAME_FOR_EVERY_KEYBOARD = [
    ("ankara", "ANKARA'da İki gün", True),
    ("İzmir", "the road to izmir", True),
    ("ığdır", "IĞDIR ovası", True),
    ("gasse", "Die GASSE und die Gaße", True),
    ("schloß", "SCHLOSS", True),
    ("λογος", "Ο ΛΟΓΟΣ", True),
    ("06-7711", "06−7711まで", True),
    ("06-7711", "06ー7711まで", True),
    ("06－7711", "06-7711まで", True),
    ("06-7711", "067711まで", False),
    ("well-known", "a well\u2011known place", True),
    ("9〜17時", "9～17時", True),
    ("-8℃", "夜は−8℃でした", True),
    ("can't", "I can’t say", True),
    ('"can\'t say"', "I can’t say", True),
    ("“can’t say“", "I can't say", True),
    ("「green kettle」", "my green kettle sings", True),
    ("«green kettle»", "my green kettle sings", True),
    ("『green kettle』", "kettle green", False),
    ('"green kettle', "my green kettle", True),
    ("resume", "Son résumé", True),
    ("résumé", "his resume", False),
    ("da lat", "Đà Lạt mưa", True),
    ("zoë", "Zoe¨ and Zoë", True),
    ("береза", "берёза у реки", True),
    ("мои", "мой", False),
    ("مدرسه", "مَدْرَسَة", True),
    ("سلام", "ســلام", True),
    ("انا", "أنا هنا", True),
    ("بیت", "والبيت كبير", True),
    ("בית", "בַּיִת", True),
    ("ספר", "והספר הזה", True),
    ("カメラ", "かめらを買う", True),
    ("かめら", "カメラを買う", True),
    ('"カメラ"', "かめらを買う", False),
    ('"カメラ"', "ｶﾒﾗを買う", True),
    ("プリンター", "プリンタが壊れた", True),
    ("プリンタ", "プリンターが壊れた", True),
    ("キー", "キツネ", False),
    ("大阪城", "大阪\n城の桜", True),
    ("大阪城", "大\u200b阪 城", True),
    ("体育館", "體育館へ", True),
    ("用Rust写", "他用 Rust 写程序", True),
    ("用 Rust 写", "他用Rust写程序", True),
    ("서울시", "서울 시", False),
    ("office", "oﬃce", True),
    ("cooperate", "co\u00adoperate", True),
]
SIGNS_ARE_WHAT_THEY_ARE = [
    ("c#", "We write C# here", True),
    ("c#", "the key of C", False),
    (".net", "ASP.NET and .NET", True),
    (".net", "a fishing net", False),
    ("c++", "C++ is", True),
    ("c++", "c + +", False),
    ("!=", "a != b", True),
    ("!=", "a = b!", False),
    ("&&", "x && y", True),
    ("&&", "x & y", False),
    ("->", "f -> g", True),
    ("{{name}}", "Dear {{name}},", True),
    ("--flag", "run it with --flag", True),
    ("--flag", "a red flag", False),
    ("--flag", "--flagged", False),
    ("$HOME", "echo $HOME", True),
    ("$HOME", "go home", False),
    ("@anna", "thanks @anna!", True),
    ("@anna", "thanks Anna", False),
    ("3.11.2", "Python 3.11.2 is out", True),
    ("3.11.2", "v3.11.2", True),
    ("3.11.2", "in 3, 11 or 2", False),
    ("3.11.2", "13.11.2", False),
    ("3.11.2", "3.11.20", False),
    ("/etc/hosts", "look into /etc/hosts now", True),
    ("/etc/hosts", "hosts etc", False),
    ("tea-pot", "tea pot", False),
    ("why?", "Why not", True),
    ("well, then", "well then", True),
    ("100%", "100% sure", True),
    ("100%", "100 of them", False),
    ("1500", "it costs 1,500 yen", True),
    ("1500", "1,5000", False),
    ("unbelievable", "un**believ**able", True),
    ("重要です", "これは**重要**です", True),
]
PARTS_OF_WORDS = [
    ("harbor", "harbormaster and harbors", True),
    ("harb*", "the harbormaster", True),
    ("har*", "the harbormaster", True),
    ("master", "the harbormaster", True),
    ("arbor", "the harbormaster", False),
    ("har", "the harbormaster", False),
    ("is", "this island", False),
    ("schule", "unsere Grundschule", True),
    ("filename", "call readFileName(path)", True),
    ("FileName", "call readFileName(path)", True),
    ("name", "call readFileName(path)", True),
    ("ilenam", "call readFileName(path)", False),
    ("http", "parseHTTPRequest", True),
    ("bytes", "max_body_bytes", True),
    ("max_body_bytes", "set max_body_bytes", True),
    ("max_body_bytes", "max body bytes", False),
    ("0c5b9a3", "at 0c5b9a3e4f2190aa7d1f0c5b9a3e4f2190aa7d1f", True),
    ("b9a3e4f", "at 0c5b9a3e4f2190aa7d1f0c5b9a3e4f2190aa7d1f", False),
    ("order12345", "order123456", False),
]
OPERATORS = [
    ("kettle -tea", "kettle", True),
    ("kettle -tea", "kettle and tea", False),
    ('kettle -"green tea"', "green kettle, tea", True),
    ("-tea", "a pot -tea", True),
    ("-5", "a -5 b", True),
    ("in:reasoning2 tea", "tea", False),
    ("tea:pot", "a tea:pot", True),
    ("before:noon", "before:noon", True),
    ('"from:me"', "mail from:me", True),
]


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [*SAME_FOR_EVERY_KEYBOARD, *SIGNS_ARE_WHAT_THEY_ARE, *PARTS_OF_WORDS, *OPERATORS],
)
def test_a_query_finds_a_text(query: str, text: str, *, found: bool) -> None:
    asked = parse_query(query)
    assert matches(asked, text, None) is found
    if found:
        lexemes = lexemes_of(text)
        assert all(clause.lexemes & lexemes for clause in asked.clauses)


def test_what_is_pasted_is_words_whatever_signs_it_has() -> None:
    frames = "".join(f'  File "/srv/app/part{n}.py", line {n}, in run -v\n' for n in range(120))
    error = f'Traceback (most recent call last):\n{frames}ValueError: from:me before:2026 -x "open'
    assert len(error) > 5_000
    asked = parse_query(error)
    assert matches(asked, f"It says:\n\n{error}\n\nWhat is that?", None)
    assert not matches(asked, error.replace("part77", "part78"), None)
    assert asked.filters == parse_query("x").filters


def test_speakers_and_what_must_not_be_there() -> None:
    assert matches(parse_query("kettle from:me"), "kettle", "yes")
    assert not matches(parse_query("kettle from:model"), "kettle", "yes")
    assert matches(parse_query("yes from:assistant"), "kettle", "yes")
    assert not matches(parse_query("kettle -yes"), "kettle", "yes")


def test_a_long_word_is_known_by_its_ends() -> None:
    for word in ("w" * 600, "ж" * 600):
        assert matches(parse_query(word), f"a {word} z", None)
        assert all(clause.lexemes & lexemes_of(word) for clause in parse_query(word).clauses)
    assert len(lexemes_of("q" * 100_000)) == 3


def test_keys_have_no_parts() -> None:
    assert not matches(parse_query("Cc"), "aBcCdDeEfFgGhHiIjJkKlLmMnNoO", None)
    assert len(lexemes_of("aBcCdDeEfFgGhHiIjJkKlLmMnNoO" * 100)) == 3
