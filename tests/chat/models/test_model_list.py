import json
from typing import Any

import pytest

from chatkeep.chat.models.errors import ModelBadAnswer, ModelNotFound
from chatkeep.chat.models.model_list import first_to_chat, listed_models


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "object": "model", **more}


@pytest.mark.parametrize(
    "other",
    [
        entry("text-embedding-3-small"),
        entry("nomic-embed-text:latest"),
        entry("BAAI/bge-m3"),
        entry("intfloat/e5-large-v2"),
        entry("whisper-1"),
        entry("tts-1-hd"),
        entry("omni-moderation-latest"),
        entry("jina-reranker-v2"),
        entry("plain", type="embeddings"),
        entry("plain", model_type="embedding"),
        entry("plain", custom_metadata={"model_type": "embedding"}),
        entry("plain", capabilities={"completion_chat": False}),
        entry("plain", pipeline_tag="sentence-similarity"),
    ],
    ids=str,
)
def test_what_is_not_one_to_chat_with_is_never_the_default(other: dict[str, Any]) -> None:
    assert first_to_chat([other, entry("chats")]) == "chats"
    with pytest.raises(ModelNotFound, match="CHATKEEP_MODEL"):
        first_to_chat([other])


@pytest.mark.parametrize(
    "model",
    [
        entry("llama3.2"),
        entry("gpt-5"),
        entry("google/gemma-3-4b-it", pipeline_tag="image-text-to-text"),
        entry("Qwen/Qwen3-8B", type="chat", capabilities={"completion_chat": True}),
        entry("mistral-large-latest", type="llm"),
        entry("bigemini"),
    ],
    ids=str,
)
def test_the_first_one_to_chat_with_is(model: dict[str, Any]) -> None:
    assert first_to_chat([model, entry("another")]) == model["id"]


def test_a_list_may_stand_by_itself() -> None:
    assert listed_models(json.dumps([entry("a")])) == listed_models(json.dumps({"data": [entry("a")]}))


@pytest.mark.parametrize("listing", ["", "<html>", "{}", '{"data": [{"name": "a"}]}', '{"data": 5}', "[1]"])
def test_a_list_that_is_none_says_which_setting_to_set(listing: str) -> None:
    with pytest.raises(ModelBadAnswer, match="CHATKEEP_MODEL"):
        listed_models(listing)
