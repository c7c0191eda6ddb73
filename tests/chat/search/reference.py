"""The right result of a search, said again without an index, a pattern or the code that is tried.

A text is taken apart character by character; a query is held against every place of it.
"""

import re
import unicodedata
from dataclasses import dataclass, replace

INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0"
INVISIBLE_RANGES = ((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F))
PARTS_OF_TEXT = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "MYANMAR", "KHMER", "BOPOMOFO", "IDEOGRAPHIC")
UNSPACED = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC")
# Those that texts of these tests hold, of the many that keyboards write.
SAME = {
    **dict.fromkeys("‐‑–—−", "-"),
    **dict.fromkeys("〜～", "~"),
    **dict.fromkeys("’‘´", "'"),
    **dict.fromkeys("“”„", '"'),
}
LETTERS = {"ı": "i", "國": "国", "أ": "ا", "ي": "ی", "ك": "ک"}
CLOSING = ".,;:!?…。、，．！？：；"
CLOSES_ALONE = CLOSING + "¿¡)]}」』】）\"'・~"


@dataclass(frozen=True)
class Character:
    """One of a folded text.

    Args:
        bare: without its accent, as hiragana.
        part: a part of a word may begin here.
    """

    written: str
    bare: str
    part: bool = False


def is_part_of_text(character: str) -> bool:
    """By name, and only what texts of these tests hold."""
    if character in "々〆〇ー゙゚":
        return True
    name = unicodedata.name(character, "")
    return name.startswith(PARTS_OF_TEXT) and unicodedata.category(character)[0] in "LM"


def is_unspaced(character: str) -> bool:
    return character in "、。「」々ー" or unicodedata.name(character, "").startswith(UNSPACED)


def is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" and not is_part_of_text(character)


def is_space(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] == "Z"


def is_sign(character: str) -> bool:
    return not (is_space(character) or is_word(character) or is_part_of_text(character))


def is_invisible(character: str) -> bool:
    return (
        character in INVISIBLE
        or any(low <= ord(character) <= high for low, high in INVISIBLE_RANGES)
        or 0xE0000 <= ord(character) <= 0xE0FFF
    )


def humps(text: str) -> str:
    """Put a NUL wherever a part of a word begins inside it."""
    made = ""
    for at, character in enumerate(text):
        before, two_before, after = text[at - 1 : at], text[at - 2 : at - 1] if at > 1 else "", text[at + 1 : at + 2]
        if is_ascii_upper(character) and (
            is_ascii_lower(before) or ((is_ascii_upper(before) or is_digit(before)) and is_ascii_lower(after))
        ):
            made += "\0"
        if is_digit(character) and before in ("v", "V") and not (two_before == "_" or is_ascii_word(two_before)):
            made += "\0"
        made += character
        if character == "\u200b" and is_ascii_word(before) and is_ascii_word(after):
            made += "\0"
    return made


def is_ascii_lower(character: str) -> bool:
    return character.isascii() and character.islower()


def is_ascii_upper(character: str) -> bool:
    return character.isascii() and character.isupper()


def is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()


def is_ascii_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


def plain(text: str) -> list[Character]:
    seen = "".join(SAME.get(each, each) for each in humps(text))
    seen = "".join(each for each in seen if not is_invisible(each))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    letters = [LETTERS.get(each, each) for each in folded if not "\u0300" <= each <= "\u036f"]
    letters = without_spaces(without_last_long_vowel(with_dashes(letters)))
    found: list[Character] = []
    for at, each in enumerate(letters):
        if each != "\0":
            found.append(Character(each, bare(each), part=at > 0 and letters[at - 1] == "\0"))
    return without_parts_of_keys(found)


def without_parts_of_keys(text: list[Character]) -> list[Character]:
    """A word that is very long, or of many parts, has none."""
    made: list[Character] = []
    for at, each in enumerate(text):
        first, last = at, at
        while first > 0 and is_word(text[first - 1].bare):
            first -= 1
        while last < len(text) and is_word(text[last].bare):
            last += 1
        parts = sum(other.part for other in text[first + 1 : last])
        made.append(replace(each, part=each.part and last - first <= 64 and parts < 8))
    return made


def is_katakana(character: str) -> bool:
    return "ァ" <= character <= "ヺ" or character == "ー"


def with_dashes(letters: list[str]) -> list[str]:
    made = list(letters)
    for at, each in enumerate(letters):
        before, after = letters[at - 1] if at else "", letters[at + 1] if at + 1 < len(letters) else ""
        is_kana = "ぁ" <= before <= "ヺ" or before == "ー"
        if each == "ー" and ((is_ascii_word(before)) or (not is_kana and is_digit(after))):
            made[at] = "-"
    return made


def without_last_long_vowel(letters: list[str]) -> list[str]:
    return [
        each
        for at, each in enumerate(letters)
        if not (
            each == "ー"
            and at >= 3
            and all(map(is_katakana, letters[at - 3 : at]))
            and not is_katakana("".join(letters[at + 1 : at + 2]))
        )
    ]


def without_spaces(letters: list[str]) -> list[str]:
    made: list[str] = []
    for at, each in enumerate(letters):
        if each.isspace() and made:
            after = next((other for other in letters[at:] if not other.isspace() and other != "\0"), "")
            before = next((other for other in reversed(made) if other != "\0"), "")
            if not before.isspace() and after and joins(before, after):
                continue
        made.append(each)
    return made


def joins(before: str, after: str) -> bool:
    return (is_unspaced(before) and (is_unspaced(after) or after.isalnum())) or (
        before.isalnum() and is_unspaced(after)
    )


def bare(character: str) -> str:
    if "ァ" <= character <= "ヶ":
        return chr(ord(character) - 0x60)
    name = unicodedata.name(character, "")
    if character in "ëёé" or name.startswith(("LATIN", "GREEK")):
        letter, *marks = list(unicodedata.normalize("NFD", character))
        return letter if marks else {"ø": "o", "đ": "d", "ł": "l"}.get(character, character)
    return character


@dataclass(frozen=True)
class Word:
    """A piece of a query."""

    text: list[Character]
    is_phrase: bool
    is_beginning: bool = False


def words_of(query: str) -> list[Word]:
    """Of a query without operators but quotation marks and a star, which mean nothing in several lines."""
    found, inside, text = [], False, ""
    if is_pasted := "\n" in query.strip():
        query = re.sub('["“”„＂]', " ", query)
    for character in query + " ":
        is_quote = character in '"“”„＂'
        if is_quote or (character.isspace() and not inside):
            found.append(word_of(text, is_phrase=inside, is_pasted=is_pasted))
            text = ""
            inside = is_quote and not inside
        else:
            text += character
    if inside:
        found.append(word_of(text, is_phrase=True))
    return [each for each in found if each.text and any(c.bare not in CLOSES_ALONE + " " for c in each.text)]


def word_of(text: str, *, is_phrase: bool, is_pasted: bool = False) -> Word:
    star = not (is_phrase or is_pasted) and len(text) > 1 and text.endswith("*")
    star = star and all(c.isalnum() or c == "_" for c in text[:-1])
    folded = plain(text[:-1] if star else text)
    while folded and is_space(folded[0].bare):
        folded = folded[1:]
    while folded and is_space(folded[-1].bare):
        folded = folded[:-1]
    if not is_phrase and any(not is_sign(each.bare) and not is_space(each.bare) for each in trimmed(folded)):
        folded = trimmed(folded)
    return Word(folded, is_phrase, star)


def trimmed(folded: list[Character]) -> list[Character]:
    while folded and folded[0].bare in "¿¡":
        folded = folded[1:]
    while folded and folded[-1].bare in CLOSING:
        folded = folded[:-1]
    return folded


def is_same(wanted: Character, there: Character, *, is_phrase: bool) -> bool:
    is_kana = "ァ" <= wanted.written <= "ヶ" or "ぁ" <= wanted.written <= "ゖ"
    if (is_kana and is_phrase) or (not is_kana and wanted.written != wanted.bare):
        return wanted.written == there.written
    return wanted.bare == there.bare


def ends_of(text: list[Character], word: Word, start: int) -> int | None:
    """Return where the word ends if it is in the text from `start` on; any white space is as good as any other."""
    at, n = start, 0
    while n < len(word.text):
        if word.text[n].bare.isspace():
            spaces = at
            while at < len(text) and text[at].bare.isspace():
                at += 1
            while n < len(word.text) and word.text[n].bare.isspace():
                n += 1
            if at == spaces:
                return None
        elif at < len(text) and is_same(word.text[n], text[at], is_phrase=word.is_phrase):
            at, n = at + 1, n + 1
        else:
            return None
    return at


def says(text: list[Character], word: Word) -> bool:
    for start in range(len(text)):
        end = ends_of(text, word, start)
        if end is not None and is_where_it_may_be(text, word, start, end):
            return True
    return False


def is_where_it_may_be(text: list[Character], word: Word, start: int, end: int) -> bool:
    if any(is_part_of_text(each.bare) for each in word.text):
        return True
    before = not is_word(word.text[0].bare) or start == 0 or not is_word(text[start - 1].bare)
    after = not is_word(word.text[-1].bare) or end == len(text) or not is_word(text[end].bare)
    if word.is_phrase:
        return before and after
    begins_part = before or text[start].part
    if word.is_beginning:
        return begins_part
    if begins_part and (after or text[end].part):
        return True
    if not all(is_word(each.bare) for each in word.text):
        return False
    if begins_part and len(word.text) >= 5:
        return not (text[end - 1].bare.isdigit() and text[end].bare.isdigit())
    first = end
    while first > 0 and is_word(text[first - 1].bare):
        first -= 1
    return after and len(word.text) >= 6 and end - first >= 11


def expected(query: str, prompt: str, reply: str | None) -> bool:
    texts = [plain(text) for text in (prompt, reply) if text]
    return all(any(says(text, word) for text in texts) for word in words_of(query))
