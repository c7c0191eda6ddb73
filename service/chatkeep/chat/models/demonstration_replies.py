"""What the demonstration model says, in English and in Japanese."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chatkeep.chat.models.prompt import ChatPrompt

MAX_COUNT = 10_000

_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")
_LATIN = re.compile(r"[A-Za-z]")
_NAME_TOLD = (
    re.compile(r"\bmy name is ([^\s.,!?。、]+(?: [A-Z][\w'-]*)*)", re.IGNORECASE),
    re.compile(r"私の名前は\s*([^\s。、！？!?]+?)\s*(?:です|だ|と(?:申し|言い|いい)ます|[。、！!\n]|$)"),
)
_NAME_ASKED = re.compile(
    r"what(?:'s|’s| is| was) my name|do you (?:know|remember) my name"
    r"|私の名前は\s*(?:何|なん|わか|分か|[?？])|私の名前を(?:覚え|おぼえ|知|言)",
    re.IGNORECASE,
)
_COUNT_ASKED = re.compile(r"\bcount (?:up )?to (\d{1,9})\b|(\d{1,9})まで数え", re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """The same sentences in one language."""

    title: str
    turn: str
    before: str
    now: str
    quoted: str
    name: str
    no_name: str
    hello: str
    counting: str
    notice: str
    quoted_characters: int


ENGLISH = Wording(
    title="## Demonstration reply",
    turn="This is turn **{turn}** of our conversation.",
    before="Before this, you wrote:",
    now="Now you write: {quoted}",
    quoted="“{text}”",
    name="Your name is **{name}**: you told me earlier.",
    no_name="You have not told me your name yet. Write “My name is …”, and ask again.",
    hello="Nice to meet you, **{name}**. Ask me later what your name is.",
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
    name="あなたの名前は**{name}**です。先ほど教えていただきました。",
    no_name="まだお名前を伺っていません。「私の名前は…です」と書いてから、もう一度聞いてください。",
    hello="はじめまして、**{name}**さん。あとで「私の名前は何ですか」と聞いてみてください。",
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
        _about_the_name(words, newest, earlier),
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


def _about_the_name(words: Wording, newest: str, earlier: list[str]) -> str:
    if _NAME_ASKED.search(newest):
        name = _last_name_told(earlier)
        return words.name.format(name=name) if name else words.no_name
    name = _last_name_told([newest])
    return words.hello.format(name=name) if name else ""


def _last_name_told(messages: Iterable[str]) -> str | None:
    told = [name for message in messages if (name := _name_told(message))]
    return told[-1] if told else None


def _name_told(message: str) -> str | None:
    if _NAME_ASKED.search(message):
        return None
    found = (pattern.search(message) for pattern in _NAME_TOLD)
    return next((match[1] for match in found if match), None)


def _count(words: Wording, newest: str) -> str:
    """A reply as long as someone wants, to watch a long stream."""
    match = _COUNT_ASKED.search(newest)
    if match is None:
        return ""
    number = min(int(match[1] or match[2]), MAX_COUNT)
    return words.counting.format(number=number) + "\n\n" + " ".join(map(str, range(1, number + 1)))
