"""Every answer of `streams.py`, over a real socket."""

from collections.abc import Iterator

import pytest

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.chat.models.heard import hear
from tests.chat.models.streams import CASES, SLOW, Case
from tests.upstream.raw import RawServer

# The slow ones are silent for a quarter of this at a time, and for nearly twice as long in all.
PATIENCE_SECONDS = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer({case.name: case.answers() for case in CASES}) as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_an_answer_is_read_for_what_it_is(server: RawServer, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkeep.chat.models.openai_stream.LAST_WORDS_SECONDS", 0.5)
    seconds = PATIENCE_SECONDS if case in SLOW else 60.0
    model = OpenAICompatibleModel(
        server.url,
        model="unused",
        first_token_seconds=seconds,
        next_token_seconds=seconds,
        retry_pause_seconds=0.001,
    )
    try:
        heard = await hear(model, "Say something.", case.name)
    finally:
        await model.close()
    assert heard.text == case.text
    assert (heard.reasoning.strip(), heard.refusal) == (case.reasoning.strip(), case.refusal)
    assert heard.calls == case.calls
    codes = (case.code,) if isinstance(case.code, str) else case.code
    assert heard.error.code in codes if heard.error else not codes
    assert case.says in (heard.error.detail if heard.error else "")
    if codes:
        assert heard.end is None
    else:
        assert heard.end is not None
        assert heard.end.finish_reason == case.reason
        usage = heard.end.usage
        assert (usage and (usage.input_tokens, usage.output_tokens)) == case.usage
    assert case.asked in (None, server.asked[case.name])


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
