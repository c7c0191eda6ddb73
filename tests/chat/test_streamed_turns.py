"""Every answer that model servers send, as the turn that is kept of it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.chat.models.streams import CASES, SLOW, Case
from tests.chat.test_items import events_from
from tests.support.running_service import Person, RunningService, running
from tests.upstream.raw import RawServer

QUICK = [case for case in CASES if case not in SLOW]


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer({case.name: case.answers() for case in CASES}) as server:
        yield server


@pytest.fixture(scope="module")
def model(server: RawServer) -> OpenAICompatibleModel:
    return OpenAICompatibleModel(server.url, model="unused", retry_pause_seconds=0.001)


@pytest.fixture(scope="module")
async def service(shared_database_url: str, model: OpenAICompatibleModel) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=model) as service:
        yield service


@pytest.fixture(scope="module")
async def alice(service: RunningService) -> Person:
    return await service.person()


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
async def test_a_turn_keeps_what_was_said_and_how_it_ended(
    alice: Person, model: OpenAICompatibleModel, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each case is a server of its own: the model does not know yet what this one refuses.
    monkeypatch.setattr(model, "_asks_for_usage", True)
    monkeypatch.setattr("chatkeep.chat.models.openai_stream.LAST_WORDS_SECONDS", 0.5)
    conversation = await alice.conversation()
    turn = await alice.say(conversation, "Say something.", model=case.name)
    ended = "failed" if case.code else "complete"  # where no reason is given
    status = {None: ended, "stop": "complete", "tool_calls": "complete"}.get(case.reason, "incomplete")
    assert (turn["status"], turn["finish_reason"]) == (status, case.reason)
    codes = (case.code,) if isinstance(case.code, str) else case.code
    assert turn["error"]["code"] in codes if turn["error"] else not codes
    reply = turn["reply"]
    assert (reply["content"], reply["refusal"]) == (case.text, case.refusal or None)
    items = reply["items"] or []
    reasoning = "".join(each["text"] for each in items if each["type"] == "reasoning")
    assert reasoning.strip() == case.reasoning.strip()
    calls = [(each["name"], each["arguments"]) for each in items if each["type"] == "function_call"]
    assert tuple(calls) == case.calls
    usage = turn["usage"]
    if case.reason is not None:
        assert (usage and (usage["input_tokens"], usage["output_tokens"])) == case.usage
    assert await alice.turns(conversation) == [turn]
    # Whoever follows it afterwards gets the same.
    events = await events_from(alice, conversation, turn["id"], 0)
    assert events[-1].data == turn
    assert "".join(event.data["text"] for event in events if event.name == "delta") == case.text
