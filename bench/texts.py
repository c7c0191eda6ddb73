"""Prompts and replies of a wanted length, in words whose frequencies fall off as those of a language do."""

import random
from functools import cache

from bench.search_texts import Texts

SEED = 11
SENTENCES = 10_000


@cache
def _sentences() -> list[str]:
    return [each.text for each in Texts(SEED, most=SENTENCES).sentences["en"]]


def text_of(chance: random.Random, characters: int) -> str:
    """Return sentences of about so many characters together: never more."""
    sentences, text = _sentences(), ""
    while len(text) < characters:
        text += f"{chance.choice(sentences)} "
    return text[:characters].rstrip()


def turns_of(characters: int, many: int) -> list[tuple[str, str]]:
    """Return prompts and replies, the same on every run: a quarter of the characters is the prompt's."""
    chance = random.Random(characters)
    return [(text_of(chance, characters // 4), text_of(chance, characters - characters // 4)) for _ in range(many)]
