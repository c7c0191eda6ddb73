"""The right result of a search, said again without an index, a pattern or the code that is tried.

A text is taken apart character by character; a query is held against every place of it.
"""

import unicodedata
from dataclasses import dataclass

INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0"
INVISIBLE_RANGES = ((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F))
PARTS_OF_TEXT = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "MYANMAR", "KHMER", "BOPOMOFO", "IDEOGRAPHIC")


def plain(text: str) -> str:
    seen = "".join(
        each
        for each in text
        if each not in INVISIBLE
        and not any(low <= ord(each) <= high for low, high in INVISIBLE_RANGES)
        and not 0xE0000 <= ord(each) <= 0xE0FFF
    )
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())


def is_part_of_text(character: str) -> bool:
    """By name, and only what texts of these tests hold."""
    if character in "々〆〇ー゙゚":
        return True
    name = unicodedata.name(character, "")
    return name.startswith(PARTS_OF_TEXT) and unicodedata.category(character)[0] in "LM"


def is_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM" and not is_part_of_text(character)


def is_symbol(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sm", "Sc") or 0x1F3FB <= ord(character) <= 0x1F3FF


@dataclass(frozen=True)
class Word:
    """A piece of a query."""

    text: str
    is_phrase: bool


def words_of(query: str) -> list[Word]:
    found, inside, text = [], False, ""
    for character in query + " ":
        is_quote = character in '"“”„＂'
        if is_quote or (character.isspace() and not inside):
            found.append(Word(plain(text).strip(), inside))
            text = ""
            inside = is_quote and not inside
        else:
            text += character
    if inside:
        found.append(Word(plain(text).strip(), is_phrase=True))
    return [each for each in found if any(is_word(c) or is_symbol(c) or is_part_of_text(c) for c in each.text)]


def says(text: str, word: Word) -> bool:
    text = plain(text)
    if any(map(is_part_of_text, word.text)):
        return " ".join(word.text.split()) in " ".join(text.split()) if word.text.split() else False
    if word.is_phrase:
        return _says_whole(_single_spaces(text), _single_spaces(word.text))
    return _says_units(text, word.text)


def _single_spaces(text: str) -> str:
    made = ""
    for character in text:
        one = " " if character.isspace() else character
        if one != " " or not made.endswith(" "):
            made += one
    return made


def _says_whole(text: str, phrase: str) -> bool:
    for start in range(len(text) - len(phrase) + 1):
        end = start + len(phrase)
        if text[start:end] == phrase and _is_apart(text, start - 1, phrase[0]) and _is_apart(text, end, phrase[-1]):
            return True
    return False


def _is_apart(text: str, beside: int, edge: str) -> bool:
    return not (is_word(edge) and 0 <= beside < len(text) and is_word(text[beside]))


def _units(text: str) -> list[tuple[str, bool]]:
    """Words and symbols (and every other character that can be found), each with whether something was before it."""
    units: list[tuple[str, bool]] = []
    apart, joined = True, False
    for character in text:
        if is_word(character):
            if joined:
                units[-1] = (units[-1][0] + character, units[-1][1])
            else:
                units.append((character, apart))
            joined, apart = True, False
        elif is_symbol(character) or is_part_of_text(character):
            units.append((character, apart))
            joined, apart = False, False
        else:
            joined, apart = False, True
    return units


def _says_units(text: str, word: str) -> bool:
    wanted, there = _units(word), _units(text)
    for start in range(len(there) - len(wanted) + 1):
        part = there[start : start + len(wanted)]
        if [each[0] for each in part] == [each[0] for each in wanted] and [each[1] for each in part[1:]] == [
            each[1] for each in wanted[1:]
        ]:
            return True
    return False


def expected(query: str, prompt: str, reply: str | None) -> bool:
    texts = [text for text in (prompt, reply) if text]
    return all(any(says(text, word) for text in texts) for word in words_of(query))
