"""What is repeated of a server's words, and what never is."""

import pytest

from chatkeep.chat.models.quotation import MAX_QUOTE_CHARACTERS, safe_quote

PROMPT = "Dear diary, today I lied to my boss."


@pytest.mark.parametrize(
    "said",
    [
        "Wrong key: sk-proj-0123456789abcdefghij",
        "Wrong key: sk-pro********hij",
        "Wrong key: sk-...ghij",
        "Wrong key: hf_abcdefghijklmnopqrstuvwxyz",
        "Wrong key: gsk_0123456789abcdefghij",
        f"Wrong key: {'0a' * 32}",
        "Wrong key: Bearer 0123456789abcdefghij",
    ],
)
def test_keys_are_masked(said: str) -> None:
    assert safe_quote(f"{said}.", ()) == ": “Wrong key: …”"


@pytest.mark.parametrize(
    "said",
    [
        "The model meta-llama/Llama-3.3-70B-Instruct-Turbo is not there",
        "hf_hub_download failed for task-list",
        "A Bearer token is missing",
        "Request 9f4afca2-9b4b-460f-bc2e-f6c9bd6540e4 failed",
    ],
)
def test_other_words_are_told(said: str) -> None:
    assert safe_quote(said, (PROMPT,)) == f": “{said}”"


def test_no_half_of_a_key_is_told() -> None:
    padding = "x" * (MAX_QUOTE_CHARACTERS - 20)
    assert safe_quote(f"{padding} {'0a' * 32}", ()) == f": “{padding} …”"


@pytest.mark.parametrize("said", [f"Cannot answer: {PROMPT}", "See http://10.0.0.1/logs", "Host 10.0.0.1 is down", ""])
def test_prompts_and_addresses_are_not_told(said: str) -> None:
    assert safe_quote(said, (PROMPT,)) == ""
