"""Replies of the demonstration model, in English and in Japanese."""

import re
from dataclasses import dataclass

from chatkeep.chat.models.prompt import ChatPrompt

MAX_COUNT = 10_000

_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")
_LATIN = re.compile(r"[A-Za-z]")
_COUNT_ASKED = re.compile(r"\bcount (?:up )?to (\d{1,9})\b|(\d{1,9})まで数え", re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """The same sentences in one language."""

    title: str
    turn: str
    before: str
    now: str
    quoted: str
    counting: str
    notice: str
    quoted_characters: int


ENGLISH = Wording(
    title="## Demonstration reply",
    turn="This is turn **{turn}** of our conversation.",
    before="Before this, you wrote:",
    now="Now you write: {quoted}",
    quoted="“{text}”",
    counting="Here I count to {number}:",
    notice=(
        "*I am only a demonstration and know nothing but this conversation. "
        "Start Chatkeep with `--model-url http://127.0.0.1:11434/v1`, or the address of any other server "
        "that speaks the OpenAI API, to talk to a real model.*"
    ),
    quoted_characters=60,
)
JAPANESE = Wording(
    title="## デモの返答",
    turn="これはこの会話の**{turn}**番目のやり取りです。",
    before="これまでに、あなたはこう書きました：",
    now="今回の内容：{quoted}",
    quoted="「{text}」",
    counting="{number}まで数えます：",
    notice=(
        "*これはデモ用の小さなモデルで、この会話のほかには何も知りません。"
        "本物のモデルと話すには、`--model-url http://127.0.0.1:11434/v1` のように "
        "OpenAI API 互換サーバーを指定して Chatkeep を起動してください。*"
    ),
    quoted_characters=30,
)


def write_reply(prompt: ChatPrompt) -> str:
    """Return the reply to the newest message: Markdown, in that message's language, the same every time."""
    asked = [each.message for each in prompt.get_contents() if each.side == "requester" and each.message]
    newest, earlier = (asked[-1], asked[:-1]) if asked else ("", [])
    words = JAPANESE if is_mostly_japanese(newest) else ENGLISH
    paragraphs = (
        words.title,
        words.turn.format(turn=len(asked)),
        _recall(words, earlier),
        words.now.format(quoted=_quote(newest, words)),
        _count(words, newest),
        words.notice,
    )
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def is_mostly_japanese(text: str) -> bool:
    """Return whether kana and kanji outnumber words in Latin letters, of about four letters each."""
    return len(_JAPANESE.findall(text)) * 4 > len(_LATIN.findall(text))


def _recall(words: Wording, earlier: list[str]) -> str:
    if not earlier:
        return ""
    first_number = max(1, len(earlier) - 2)
    numbered = enumerate(earlier[-3:], first_number)
    return "\n".join([words.before, "", *(f"{number}. {_quote(text, words)}" for number, text in numbered)])


def _quote(text: str, words: Wording) -> str:
    line = " ".join(text.split())
    short = line if len(line) <= words.quoted_characters else line[: words.quoted_characters] + "…"
    return words.quoted.format(text=short)


def _count(words: Wording, newest: str) -> str:
    """A reply as long as someone wants, to watch a long stream."""
    match = _COUNT_ASKED.search(newest)
    if match is None:
        return ""
    number = min(int(match[1] or match[2]), MAX_COUNT)
    return words.counting.format(number=number) + "\n\n" + " ".join(map(str, range(1, number + 1)))
