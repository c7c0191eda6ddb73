from contextlib import aclosing
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models import DemonstrationModel, End, Text
from chatkeep.chat.models.demonstration import pieces
from chatkeep.chat.models.demonstration_replies import is_mostly_japanese
from chatkeep.chat.models.prompt import ChatPrompt


def conversation(*prompts: str) -> ChatPrompt:
    prompt = ChatPrompt()
    for earlier in prompts[:-1]:
        prompt.add_requester_msg(earlier)
        prompt.add_responder_msg("…")
    prompt.add_requester_msg(prompts[-1])
    return prompt


async def answer(*prompts: str, **params: object) -> list[Text | End]:
    model = DemonstrationModel(pause_seconds=0)
    async with aclosing(model.stream(conversation(*prompts), model=None, params=params)) as stream:
        return [piece async for piece in stream]


async def reply(*prompts: str, **params: object) -> str:
    return "".join(piece.text for piece in await answer(*prompts, **params) if isinstance(piece, Text))


async def test_it_says_that_it_is_a_demonstration_and_how_to_get_a_real_model() -> None:
    text = await reply("Hello")
    assert "demonstration" in text
    assert "--model-url" in text


async def test_the_same_conversation_gets_the_same_reply() -> None:
    assert await reply("one", "two") == await reply("one", "two")


async def test_it_counts_turns_and_quotes_what_was_asked_before() -> None:
    text = await reply("Tell me about Kyoto", "And Osaka?", "And Nara?")
    assert "turn **3**" in text
    assert "1. “Tell me about Kyoto”\n2. “And Osaka?”" in text
    assert "Now you write: “And Nara?”" in text


async def test_a_question_about_earlier_turns_is_answered_by_quoting_them() -> None:
    assert "“My name is Ann.”" in await reply("My name is Ann.", "What is my name?")
    assert "Ann" not in await reply("What is my name?")


async def test_japanese_is_answered_in_japanese() -> None:
    text = await reply("京都について教えて", "大阪は？")
    assert "**2**番目のやり取り" in text
    assert "1. 「京都について教えて」\n\n今回の内容：「大阪は？」" in text
    assert "デモ" in text


@pytest.mark.parametrize(
    ("text", "japanese"),
    [("こんにちは", True), ("PythonのAPIを教えてください", True), ("What does 日本 mean?", False), ("123", False)],
)
def test_mostly_japanese_is_told_from_mostly_english(text: str, japanese: bool) -> None:
    assert is_mostly_japanese(text) is japanese


@pytest.mark.parametrize(("asked", "last"), [("count to 500", " 500"), ("500まで数えて", " 500")])
async def test_a_long_reply_can_be_asked_for(asked: str, last: str) -> None:
    assert f"499{last}" in await reply(asked)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_token_limit_ends_the_reply_early(name: str) -> None:
    whole, short = await reply("Hello"), await reply("Hello", **{name: 5})
    assert 0 < len(short) < 30
    assert whole.startswith(short)
    ends = [(await answer("Hello", **limits))[-1] for limits in ({}, {name: 5})]
    assert [end.finish_reason for end in ends if isinstance(end, End)] == ["stop", "length"]


async def test_the_end_comes_last_and_once_and_tells_the_usage() -> None:
    *texts, end = await answer("Hello", "こんにちは")
    assert all(isinstance(piece, Text) and piece.text for piece in texts)
    assert isinstance(end, End)
    assert end.usage is not None
    assert end.usage.input_tokens > 0
    assert end.usage.output_tokens > 0


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_words_and_short_runs_of_japanese_come_one_by_one() -> None:
    assert pieces("Say hi to 日本語を話す人") == ["Say", " hi", " to", " ", "日本語", "を話す", "人"]


async def test_it_pauses_between_pieces_and_stops_when_closed() -> None:
    model = DemonstrationModel(pause_seconds=0.02)
    started = monotonic()
    async with aclosing(model.stream(conversation("Hello"), model=None, params={})) as stream:
        assert await anext(stream) == Text("##")
        assert await anext(stream) == Text(" Demonstration")
    assert 0.04 <= monotonic() - started < 2
    await model.close()
