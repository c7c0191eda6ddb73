import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkeep.chat.models import Item, Piece, Reasoning, Text, TextWasReasoning
from chatkeep.chat.models.marks import BEGINNINGS, HARMONY_ENDS, HARMONY_MESSAGE, THINK_MARKS, MarkReader

CALL = '<|start|>assistant<|channel|>commentary to=functions.find <|constrain|>json<|message|>{"q": 1}<|call|>'
PARTS = st.sampled_from(
    (*BEGINNINGS, *THINK_MARKS.values(), *HARMONY_ENDS, HARMONY_MESSAGE, "analysis", "final", " ", "\n")
)
TEXTS = st.lists(st.one_of(PARTS, st.text("a<>/|`\n ", max_size=4)), max_size=8).map("".join)


def read(*texts: str) -> list[Piece]:
    reader = MarkReader()
    return [*(piece for text in texts for piece in reader.feed(text)), *reader.finish()]


def told(*texts: str) -> tuple[str, str, list[Piece]]:
    """Return text, reasoning, and whatever else there is."""
    text, reasoning = "", ""
    others: list[Piece] = []
    for piece in read(*texts):
        match piece:
            case Text(more):
                text += more
            case Reasoning(more):
                reasoning += more
            case TextWasReasoning():
                text, reasoning = "", reasoning + text
            case _:
                others.append(piece)
    return text, reasoning.strip(), others


@pytest.mark.parametrize(
    ("said", "text", "reasoning"),
    [
        ("<think>\nHm.\n</think>\n\nHello!", "Hello!", "Hm."),
        ("\n <think>Hm.</think>Hello!", "Hello!", "Hm."),
        ("[THINK]Hm.[/THINK]Hello!", "Hello!", "Hm."),
        ("◁think▷Hm.◁/think▷Hello!", "Hello!", "Hm."),
        ("<think>\n\n</think>\n\nHello!", "Hello!", ""),
        ("<think>a</think>\n<think>b</think>\nHello!", "Hello!", "a\n\nb"),
        ("<think>cut off", "", "cut off"),
        ("Hm.\n</think>\n\nHello!", "Hello!", "Hm."),
        ("Hm.</think>", "", "Hm."),
        ("Close it with `</think>`, as <b>here</b>.", "Close it with `</think>`, as <b>here</b>.", ""),
        ("```\n</think>\n```\nas here", "```\n</think>\n```\nas here", ""),
        ("Write <think>, then </think>.", "Write <think>, then </think>.", ""),
        ("<thin ice> & <thinker>", "<thin ice> & <thinker>", ""),
        ("a < b, a </ b", "a < b, a </ b", ""),
        ("\n\n  as it is \n", "\n\n  as it is \n", ""),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello!<|return|>",
            "Hello!",
            "Hm.",
        ),
        ("<|channel|>final<|message|>a <| b <|c|> d", "a <| b <|c|> d", ""),
        ("<|start|> is a mark", "<|start|> is a mark", ""),
    ],
)
def test_reasoning_is_told_from_text(said: str, text: str, reasoning: str) -> None:
    assert told(said) == (text, reasoning, [])
    assert told(*said) == (text, reasoning, [])


def test_a_call_between_marks_is_an_item() -> None:
    text, reasoning, items = told(f"<|channel|>analysis<|message|>Look it up.<|end|>{CALL}")
    assert (text, reasoning) == ("", "Look it up.")
    assert items == [Item({"type": "function_call", "call_id": "call_1", "name": "find", "arguments": '{"q": 1}'})]


def test_text_is_not_kept_back() -> None:
    reader = MarkReader()
    assert reader.feed("Hello") == [Text("Hello")]
    assert reader.feed(" <b") == [Text(" <b")]
    reader = MarkReader()
    assert reader.feed("<think>Let me ") == [Reasoning("Let me", "think")]


def test_that_text_was_reasoning_is_told_once_the_mark_comes() -> None:
    assert read("Hm", ".", "</think>", "Hi") == [
        Text("Hm"),
        Text("."),
        TextWasReasoning("think"),
        Text("Hi"),
    ]


@given(TEXTS, st.integers(0, 60))
@example("a</think>b", 9)
@example("<think>a</think> <think>b</think>", 16)
@example(" </think>", 0)
def test_where_a_text_is_cut_changes_nothing(said: str, at: int) -> None:
    assert told(said) == told(said[:at], said[at:]) == told(*said)


@given(st.text().filter(lambda text: "<" not in text and "◁" not in text and "[" not in text))
def test_text_without_marks_stays_as_it_is(said: str) -> None:
    assert told(said) == (said, "", [])
