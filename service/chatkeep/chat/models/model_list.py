"""The models that a server lists, and the one of them that answers where nobody chose another.

Source: OpenAI API reference, List models; what LM Studio, OGX, Together, Mistral and vLLM add to it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chatkeep.chat.models.errors import ModelBadAnswer, ModelNotFound

# Kinds that are never a model to chat with, where the list names the kind.
OTHER_KINDS = re.compile(
    r"embed|rerank|moderation|classif|transcri|diffusion|feature-extraction|sentence-similarity|image.?generation"
    r"|text-to-(image|speech|audio|video)|^(image|audio|speech|tts|stt)$",
    re.IGNORECASE,
)
# And where only its name does.
OTHER_NAMES = re.compile(
    r"embed|rerank|moderation|whisper|(^|[-_/])(tts|dall-e|bge|e5|gte|clip|minilm|colbert|stable-diffusion)([-_/.:\d]|$)",
    re.IGNORECASE,
)
KIND_KEYS = ("type", "model_type", "task", "kind", "mode", "pipeline_tag")
NAME_ONE = "The operator should name the model in CHATKEEP_MODEL"


def listed_models(listing: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list that have a name.

    Raises:
        ModelBadAnswer: it is no list of models.
    """
    try:
        found = json.loads(listing)
        entries = found if isinstance(found, list) else found["data"] or ()
        return [entry for entry in entries if isinstance(entry["id"], str) and entry["id"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ModelBadAnswer(
            f"The model server did not answer with a list of models. {NAME_ONE}, or check that CHATKEEP_MODEL_URL is "
            "an OpenAI-compatible address."
        ) from None


def first_to_chat(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the first model that is one to chat with.

    Raises:
        ModelNotFound: there is none.
    """
    if not entries:
        raise ModelNotFound("The model server offers no model. The operator should load one there.")
    name = next((entry["id"] for entry in entries if _chats(entry)), None)
    if name is None:
        raise ModelNotFound(f"The model server lists no model to chat with, only such as embed text. {NAME_ONE}.")
    return str(name)


def _chats(entry: Mapping[str, Any]) -> bool:
    capabilities = entry.get("capabilities")
    if isinstance(capabilities, Mapping) and capabilities.get("completion_chat") is False:
        return False
    levels = [
        each
        for each in (entry, *map(entry.get, ("custom_metadata", "metadata", "model_info")))
        if isinstance(each, Mapping)
    ]
    kinds = [level[key] for level in levels for key in KIND_KEYS if isinstance(level.get(key), str)]
    return not any(map(OTHER_KINDS.search, kinds)) and not OTHER_NAMES.search(entry["id"])
