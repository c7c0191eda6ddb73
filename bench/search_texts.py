"""Texts for a large history: half English, half Japanese, with words that are common and words that are rare."""

import random
from dataclasses import dataclass
from itertools import accumulate

from chatkeep.chat.search.lexemes import lexemes_of

SENTENCES = 40_000
WORDS = 20_000
_SYLLABLES = ("ka", "lo", "mi", "ten", "sor", "vi", "pra", "nel", "du", "gor", "shi", "bet", "ran", "qua", "fel", "zo")
_KANJI = (
    "日本東京都会話人生学年時間中国語大小高安新古春夏秋冬朝昼夜食飲茶水火木金土花鳥風"
    "月山川海空雨雪道駅車電気仕事世界音楽映画写真旅行料理野菜果物家族友達"
)
_KANA = ("です。", "ます。", "について、", "という", "から", "ために", "では", "こと", "もの", "アイデア", "テスト")
COMMON = {"en": "the", "ja": "です"}


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    lexemes: frozenset[int]


class Texts:
    """Sentences of both languages, the same for the same seed. Frequencies fall off as those of languages do.

    Args:
        most: sentences of each language; a small history takes few.
    """

    def __init__(self, seed: int, most: int = SENTENCES) -> None:
        chance = random.Random(seed)
        english = ["the", "of", "and", *(_word(chance) for _ in range(WORDS))]
        japanese = ["".join(chance.choices(_KANJI, k=chance.choice((2, 2, 2, 3)))) for _ in range(WORDS)]
        weights = list(accumulate(1 / (rank + 2) for rank in range(len(english))))
        self.words = {"en": english, "ja": japanese}
        self.sentences = {"en": [_english(chance, english, weights) for _ in range(min(most, SENTENCES))]}
        self.sentences["ja"] = [_japanese(chance, japanese, weights) for _ in range(min(most, SENTENCES))]


def _word(chance: random.Random) -> str:
    return "".join(chance.choices(_SYLLABLES, k=chance.choice((2, 3, 3, 4))))


def _english(chance: random.Random, words: list[str], weights: list[float]) -> Sentence:
    return _made(" ".join(chance.choices(words, cum_weights=weights, k=chance.randint(6, 18))) + ".")


def _japanese(chance: random.Random, words: list[str], weights: list[float]) -> Sentence:
    chosen = chance.choices(words, cum_weights=weights[: len(words)], k=chance.randint(3, 8))
    return _made("".join(word + chance.choice(_KANA) for word in chosen))


def _made(text: str) -> Sentence:
    return Sentence(text, frozenset(lexemes_of(text)))
