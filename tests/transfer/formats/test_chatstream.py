"""ChatStream's prompts."""

import pytest

from chatkeep.chat.models.prompt import ChatPrompt
from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import imported, only, said


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


async def test_a_prompt_is_a_conversation(person: Person) -> None:
    prompt = ChatPrompt("簡潔に。")
    prompt.set_requester("ユーザー")
    prompt.add_requester_msg("こんにちは", "m1")
    prompt.add_responder_msg("はい")
    prompt.add_requester_msg("さようなら")
    prompt.add_responder_msg(None)
    kept = await only(person, prompt.to_dict())
    assert kept["system_prompt"] == "簡潔に。"
    assert kept["title"] == "こんにちは"
    assert said(kept) == [("こんにちは", "はい"), ("さようなら", None)]
    assert kept["metadata"]["import"]["conversation"]["requester"] == "ユーザー"
    assert (await imported(person, prompt.to_dict()))["skipped"] == 1


async def test_a_prompt_that_is_wrong_says_where(person: Person) -> None:
    prompt = ChatPrompt().to_dict() | {"chat_contents": [{"role": "who", "message": "x"}]}
    report = await imported(person, prompt)
    assert report["failed"] == [
        {"source_id": "#1", "reason": "A message is neither the requester's nor the responder's."}
    ]


async def test_what_was_added_to_a_message_is_part_of_the_prompt(person: Person) -> None:
    value = ChatPrompt().to_dict() | {
        "chat_contents": [
            {
                "role": "<user>",
                "role_type": "REQUESTER",
                "message": "どの茶?",
                "child_messages": ["添付: mugicha", None],
            },
            {"role": "<bot>", "role_type": "RESPONDER", "message": "煎茶", "child_messages": [{"of": "another kind"}]},
        ]
    }
    kept = await only(person, value)
    assert said(kept) == [("どの茶?\n\n添付: mugicha", "煎茶")]
    (aside,) = kept["metadata"]["import"]["messages"]
    assert aside["message"]["child_messages"] == [{"of": "another kind"}]
