"""Messages to a model of turns that are more than text."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models import Item, Piece, Reasoning, Refusal, Text
from chatkeep.chat.models.context import GO_ON, EarlierTurn, fit_context
from chatkeep.chat.reply_log import ReplyLog
from tests.chat.test_reply_log import log_of


def call(name: str) -> Item:
    return Item({"type": "function_call", "call_id": name, "name": "search", "arguments": "{}"})


def output(name: str, value: Any = "found") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": name, "output": value}


def turn(
    prompt: str, *said: Piece, prompt_items: Sequence[dict[str, Any]] | None = None, continues: bool = False
) -> EarlierTurn:
    log: ReplyLog = log_of(said)
    return EarlierTurn(prompt, log.text(), prompt_items, log.items(), continues)


def sent(*turns: EarlierTurn, prompt: str = "now", limit: int = 10_000, **new: Any) -> list[dict[str, Any]]:
    """The messages of turns, oldest first, and of a new prompt."""
    shown = fit_context(None, reversed(turns), prompt, limit, **new)
    return [dict(message) for message in shown.to_openai_messages()]


TOOL_CALLS = [{"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}]


def test_reasoning_of_earlier_answers_is_not_sent() -> None:
    found = sent(turn("hi", Reasoning("they greet", "reasoning_content"), Text("Hello!")))
    assert found == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "now"},
    ]


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("reasoning_content", "reasoning_content", "look it up"),
        ("reasoning", "reasoning", "look it up"),
        ("reasoning_details", "reasoning_details", [{"type": "reasoning.text", "text": "look it up"}]),
        ("think", None, None),
        ("harmony", None, None),
    ],
)
def test_a_model_that_waits_for_a_tool_gets_its_reasoning_back_under_its_name(
    field: Any, name: str | None, value: Any
) -> None:
    asked = turn("hi", Reasoning("look it up", field), call("c"))
    found = sent(asked, prompt="", items=[output("c")])
    said = {"role": "assistant", "content": "", "tool_calls": TOOL_CALLS} | ({name: value} if name else {})
    assert found == [
        {"role": "user", "content": "hi"},
        said,
        {"role": "tool", "tool_call_id": "c", "content": "found"},
    ]
    # Once it has answered, and something else is asked, it does not want it any more.
    answered = turn("", Text("Here."), prompt_items=[output("c")])
    later = sent(asked, answered)
    assert [message["role"] for message in later] == ["user", "assistant", "tool", "assistant", "user"]
    assert name not in later[1]


def test_a_call_that_nobody_answered_is_not_sent_and_neither_is_an_output_without_its_call() -> None:
    found = sent(turn("hi", Text("Let me see."), call("c")), items=[output("other")])
    assert found == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Let me see."},
        {"role": "user", "content": "now"},
    ]
    assert sent(turn("hi", call("c"))) == [{"role": "user", "content": "hi\n\nnow"}]


def test_each_call_is_followed_by_its_own_output() -> None:
    found = sent(turn("hi", call("a"), call("b"), call("c")), items=[output("c", ""), output("a", [{"text": "A"}])])
    assert [(each["role"], each.get("tool_call_id"), each["content"]) for each in found] == [
        ("user", None, "hi"),
        ("assistant", None, ""),
        ("tool", "a", "A"),
        ("tool", "c", "(no output)"),
        ("user", None, "now"),
    ]
    assert [each["id"] for each in found[1]["tool_calls"]] == ["a", "c"]


def test_a_server_that_calls_its_tools_itself_is_shown_in_its_order() -> None:
    said = (Text("First "), call("a"), Item(output("a", {"n": 1})), Text("then."))
    assert [(each["role"], each["content"]) for each in sent(turn("hi", *said))] == [
        ("user", "hi"),
        ("assistant", "First "),
        ("tool", '{"n": 1}'),
        ("assistant", "then."),
        ("user", "now"),
    ]


def test_a_refusal_is_what_the_model_said() -> None:
    assert sent(turn("hi", Refusal("No.")))[1] == {"role": "assistant", "content": "No."}


def test_an_answer_of_which_nothing_can_be_sent_is_no_message() -> None:
    thought = turn("hi", Reasoning("hmm", "reasoning"))
    assert sent(thought, turn("there", Item({"type": "x"}))) == [{"role": "user", "content": "hi\n\nthere\n\nnow"}]


def test_to_go_on_the_model_is_shown_what_it_said_and_afterwards_it_is_one_answer() -> None:
    cut = turn("count", Text("one, "))
    assert sent(cut, continues=True) == [
        {"role": "user", "content": "count"},
        {"role": "assistant", "content": "one, "},
        {"role": "user", "content": GO_ON},
    ]
    more = turn("", Reasoning("on", "think"), Text("two, "), continues=True)
    assert sent(cut, more, continues=True)[1]["content"] == "one, two, "
    assert sent(cut, more, turn("", Text("three"), continues=True)) == [
        {"role": "user", "content": "count"},
        {"role": "assistant", "content": "one, two, three"},
        {"role": "user", "content": "now"},
    ]


def test_where_nothing_was_said_going_on_asks_again() -> None:
    assert sent(turn("count", Reasoning("hmm", "think")), continues=True) == [{"role": "user", "content": "count"}]
    assert sent(turn("count"), turn("", continues=True), continues=True) == [{"role": "user", "content": "count"}]


def test_what_the_new_prompt_cannot_be_without_is_always_shown() -> None:
    long = turn("count " * 1000, Text("one, " * 1000))
    assert len(sent(long, limit=10)) == 1
    assert len(sent(long, limit=10, continues=True)) == 3
    asked = turn("look " * 1000, call("c"))
    assert [each["role"] for each in sent(asked, limit=10, prompt="", items=[output("c")])] == [
        "user",
        "assistant",
        "tool",
    ]


def test_half_of_an_answer_is_not_shown_without_its_beginning() -> None:
    long = turn("count " * 1000, Text("one, " * 1000))
    assert sent(long, turn("", Text("two"), continues=True), limit=100) == [{"role": "user", "content": "now"}]


def test_how_many_turns_are_shown_is_known() -> None:
    turns = [turn(f"{number} " * 50, Text("yes")) for number in range(10)]
    shown = fit_context(None, reversed(turns), "now", 300)
    assert shown.earlier_turns == sum(f"{number} " * 50 in str(shown.get_contents()) for number in range(10)) > 0


said = st.lists(
    st.one_of(
        st.just(Text("text")),
        st.just(Reasoning("why", "reasoning")),
        st.just(Refusal("no")),
        st.sampled_from("abc").map(call),
        st.sampled_from("abc").map(lambda name: Item(output(name))),
        st.just(Item({"type": "x"})),
    ),
    max_size=5,
)
outputs = st.none() | st.lists(st.sampled_from("abc").map(output), min_size=1, max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["", "asked"]), said, outputs, st.booleans()), max_size=5), outputs)
def test_no_server_is_sent_what_it_refuses(drawn: list[Any], items: Any) -> None:
    """No empty message, no two of one side in a row, each call with its output and each output after its call."""
    turns = [
        turn("" if goes_on else prompt, *pieces, prompt_items=None if goes_on else given, continues=goes_on)
        for prompt, pieces, given, goes_on in drawn
    ]
    found = sent(*turns, prompt="now", items=items)
    assert found[-1] == {"role": "user", "content": "now"} or found[-1]["content"].endswith("\n\nnow")
    expected: list[str] = []
    before = ""
    for message in found:
        assert message["content"] or message.get("tool_calls")
        if message["role"] == "tool":
            assert message["tool_call_id"] == expected.pop(0)
        else:
            assert expected == []
            assert message["role"] != before or before == "assistant"
        expected += [each["id"] for each in message.get("tool_calls", ())]
        before = message["role"]
    assert expected == []


def test_outputs_that_nobody_answered_are_sent_with_the_next_prompt() -> None:
    """Without them the model's call would be left out, too, and two prompts would stand in a row."""
    found = sent(turn("asked", call("a")), turn("", prompt_items=[output("a")]), prompt="now", items=None)
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user"]
    assert (found[2]["tool_call_id"], found[3]["content"]) == ("a", "now")
