"""llm-comply's suites of the Open Responses specification and of chat completions, as their users run them."""

import json

import pytest

from tests.clients.installed import Client, installed

# By a name that the suite takes for one of a model that reasons; others it does not ask for that.
REASONS = "gpt-5-tests"


@pytest.mark.parametrize(("suite", "count"), [("open-responses", 13), ("openai-chat", 9)])
async def test_the_suite_passes(client: Client, suite: str, count: int) -> None:
    """Compaction is not there; the suite takes its 404."""
    command = (installed() / "bin" / "python", "-m", "llm_comply.cli", "--format", suite, "--json")
    found = json.loads(await client.run(*command, "-u", client.url, "-k", client.user.token, "-m", REASONS))
    told = {each["id"]: each.get("errors") for each in found["results"] if each["status"] != "passed"}
    assert told == {}
    assert found["summary"] == {"total": count, "passed": count, "failed": 0, "skipped": 0}
