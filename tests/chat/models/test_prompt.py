import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.errors import Invalid

AWKWARD_TEXTS = [
    "Hello",
    "こんにちは、世界。ｶﾅ と全角ＡＢＣ",
    "  leading, trailing \t\r\n\n",
    "{{ 7 * 7 }} {% raw %} {# no comment #}",
    "<b>&amp;</b> <|im_end|> [INST]",
    "👩‍👩‍👧 e\u0301 \u200b\u2028\ufeff",
    "",
]
TEMPLATE = "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}"


@pytest.fixture
def prompt() -> ChatPrompt:
    prompt = ChatPrompt("Be brief.")
    prompt.add_requester_msg("What is Kyoto?")
    prompt.add_responder_msg("A city.")
    prompt.add_requester_msg("京都の人口は？")
    return prompt


def test_a_conversation_becomes_openai_messages(prompt: ChatPrompt) -> None:
    assert prompt.to_openai_messages() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is Kyoto?"},
        {"role": "assistant", "content": "A city."},
        {"role": "user", "content": "京都の人口は？"},
    ]


def test_without_a_system_text_there_is_no_system_message() -> None:
    prompt = ChatPrompt()
    prompt.set_system("")
    prompt.add_requester_msg("Hi")
    assert prompt.to_openai_messages() == [{"role": "user", "content": "Hi"}]


def test_a_reply_still_to_come_is_not_sent(prompt: ChatPrompt) -> None:
    before = prompt.to_openai_messages()
    prompt.add_responder_msg()
    assert prompt.to_openai_messages() == before


def test_last_messages_and_turns_are_counted(prompt: ChatPrompt) -> None:
    assert prompt.get_turn() == 2
    assert prompt.get_requester_last_msg() == "京都の人口は？"
    assert prompt.get_responder_last_msg() == "A city."


def test_an_empty_conversation_has_no_last_messages() -> None:
    prompt = ChatPrompt("system")
    prompt.clear_last_responder_message()
    prompt.remove_last_requester_msg()
    assert prompt.is_empty()
    assert (prompt.get_turn(), prompt.get_requester_last_msg(), prompt.get_responder_last_msg()) == (0, None, None)


def test_a_growing_reply_replaces_the_last_one(prompt: ChatPrompt) -> None:
    prompt.add_responder_msg()
    for text in ("約", "約144", "約144万人"):
        prompt.set_responder_last_msg(text)
    assert prompt.get_responder_last_msg() == "約144万人"
    assert len(prompt.get_contents()) == 4


def test_clearing_the_last_reply_keeps_its_place_and_the_rest(prompt: ChatPrompt) -> None:
    prompt.clear_last_responder_message()
    assert [content.message for content in prompt.get_contents()] == ["What is Kyoto?", None, "京都の人口は？"]


def test_the_last_message_of_each_side_can_be_removed(prompt: ChatPrompt) -> None:
    prompt.remove_last_responder_msg()
    prompt.remove_last_requester_msg()
    assert [content.message for content in prompt.get_contents()] == ["What is Kyoto?"]


def test_clearing_the_history_keeps_the_system_text(prompt: ChatPrompt) -> None:
    prompt.clear_history()
    assert prompt.is_empty()
    assert prompt.system == "Be brief."


def test_a_repr_shows_nothing_of_what_was_said(prompt: ChatPrompt) -> None:
    assert repr(prompt) == "<ChatPrompt of 2 turns>"


@pytest.mark.parametrize("text", AWKWARD_TEXTS)
def test_any_text_survives_json_and_a_template(text: str) -> None:
    prompt = ChatPrompt(text)
    prompt.add_requester_msg(text, message_id="m1")
    prompt.add_responder_msg(text)
    copy = ChatPrompt.from_dict(json.loads(json.dumps(prompt.to_dict())))
    assert copy.get_contents() == prompt.get_contents()
    assert copy.system == text
    system = f"[system]{text}" if text else ""
    assert prompt.to_text(TEMPLATE) == f"{system}[user]{text}[assistant]{text}"


@given(st.text(), st.lists(st.tuples(st.booleans(), st.text())))
def test_any_conversation_survives_json(system: str, messages: list[tuple[bool, str]]) -> None:
    prompt = ChatPrompt(system)
    for asks, text in messages:
        (prompt.add_requester_msg if asks else prompt.add_responder_msg)(text)
    copy = ChatPrompt.from_dict(json.loads(json.dumps(prompt.to_dict())))
    assert copy.to_dict() == prompt.to_dict()
    assert copy.to_openai_messages() == prompt.to_openai_messages()


def test_create_prompt_is_plain_text_that_ends_where_the_reply_begins(prompt: ChatPrompt) -> None:
    prompt.set_requester("ユーザー")
    prompt.set_responder("システム")
    assert prompt.create_prompt() == (
        "Be brief.\n\nユーザー: What is Kyoto?\nシステム: A city.\nユーザー: 京都の人口は？\nシステム:"
    )


def test_a_model_repositorys_template_is_rendered(prompt: ChatPrompt) -> None:
    chatml = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'"
        " + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert prompt.to_text(chatml).endswith("<|im_start|>user\n京都の人口は？<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_is_given_the_models_own_marks(prompt: ChatPrompt) -> None:
    assert prompt.to_text("{{ bos_token }}…{{ eos_token }}", bos_token="<s>", eos_token="</s>") == "<s>…</s>"


@pytest.mark.parametrize(
    "template",
    [
        "{% for",
        "{{ raise_exception('Roles must alternate.') }}",
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ messages[99].role.x }}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_template_that_cannot_be_used_is_refused(prompt: ChatPrompt, template: str) -> None:
    with pytest.raises(Invalid, match="chat template"):
        prompt.to_text(template)


def test_a_dictionary_of_chatstream_is_read() -> None:
    reply = {"role": "bot", "role_type": "RESPONDER", "message": None, "message_id": None, "child_messages": None}
    question = {**reply, "role": "user", "role_type": "REQUESTER", "message": "こんにちは", "message_id": "7"}
    prompt = ChatPrompt.from_dict(
        {
            "system": "sys",
            "chat_contents": [question, reply],
            "responder_messages": [reply],
            "requester_messages": [question],
            "requester": "user",
            "responder": "bot",
            "chat_mode": True,
        }
    )
    assert prompt.get_requester_last_msg() == "こんにちは"
    assert prompt.get_contents()[0].message_id == "7"
    assert prompt.to_openai_messages() == [
        {"role": "system", "content": "sys"},
        {"role": "user", "content": "こんにちは"},
    ]


def test_an_older_chatstreams_messages_are_told_apart_by_name() -> None:
    prompt = ChatPrompt.from_dict(
        {
            "system": None,
            "requester": "ユーザー",
            "responder": "システム",
            "chat_contents": [{"role": "ユーザー", "message": "a"}, {"role": "システム", "message": "b"}],
        }
    )
    assert [content.side for content in prompt.get_contents()] == ["requester", "responder"]


@pytest.mark.parametrize(
    "change",
    [
        {"chat_contents": None},
        {"chat_contents": ["text"]},
        {"chat_contents": [{"role": "nobody", "message": "a"}]},
        {"chat_contents": [{"role": "user", "message": None}]},
        {"chat_contents": [{"role": "user", "message": 5}]},
        {"requester": None},
        {"system": 5},
    ],
)
def test_a_dictionary_of_another_shape_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        ChatPrompt.from_dict({**ChatPrompt().to_dict(), **change})
