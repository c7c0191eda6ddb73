"""Gemini: an entry of Google's activity (Takeout), which is one prompt and its answer, and a chat of AI Studio.

The activity's title is the prompt behind a word in the account's language; its answer is HTML.
"""

from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.fields import list_in, mapping_in, says_something, text_in
from chatkeep.transfer.formats.html_text import text_of_html
from chatkeep.transfer.formats.plain import Plain

# "Prompted", in the languages that people reported; otherwise the first word.
PROMPTED = (
    *(
        "Prompted ",
        "Asked ",
        "Said ",
        "Prompt: ",
        "Eingegebener Prompt: ",
        "Requête : ",
        "Petición: ",
        "送信したメッセージ: ",
    ),
    *("プロンプト: ", "已输入的提示：", "Ingevoerde prompt: ", "Prompt inserito: ", "Prompt inviado: "),
)


def _of_activity(value: Mapping[str, Any]) -> list[Any]:
    """Return the prompt and the answer of an entry."""
    answer = "\n\n".join(filter(None, (text_of_html(text_in(each, "html") or "") for each in _html(value))))
    title = text_in(value, "title") or ""
    if not answer and not any(title.startswith(word) for word in PROMPTED):
        return []
    question = {"role": "user", "content": _prompt(title), "time": value.get("time")}
    files = list_in(value, "attachedFiles") or list_in(value, "imageFile")
    if files:
        question["files"] = files
    return [question, {"role": "assistant", "content": answer, "time": value.get("time")}] if answer else [question]


def _html(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in list_in(value, "safeHtmlItem") if isinstance(each, dict)]


def _prompt(title: str) -> str:
    known = next((word for word in PROMPTED if title.startswith(word)), None)
    if known is not None:
        return title[len(known) :]
    first, _, rest = title.partition(" ")
    return rest or first


def _is_activity(value: Mapping[str, Any]) -> bool:
    products = list_in(value, "products")
    named = [text_in(value, "header"), *(each for each in products if isinstance(each, str))]
    return any(name and ("Gemini" in name or "Bard" in name) for name in named) and "title" in value


TAKEOUT = Plain(
    source="gemini",
    program="Gemini",
    is_message=says_something,
    messages=lambda value: _of_activity(value) if _is_activity(value) else [],
    conversation=lambda value: {name: each for name, each in value.items() if name not in ("title", "safeHtmlItem")},
    titles=(),
    keys=frozenset(["header", "products"]),
).format()


def _chunks(value: Mapping[str, Any]) -> list[Any]:
    prompt = mapping_in(value, "chunkedPrompt")
    return [_chunk(each) for each in list_in(prompt, "chunks")]


def _chunk(chunk: Any) -> Any:
    """Return a chunk as a message; `parts` repeats the text of what was thought."""
    if not isinstance(chunk, dict) or chunk.get("isThought") is not True:
        return chunk
    words = text_in(chunk, "text") or ""
    rest = {
        name: each for name, each in chunk.items() if name not in ("text", "parts", "isThought", "thoughtSignatures")
    }
    return {**rest, "content": [{"type": "thinking", "text": words}]}


def _around(value: Mapping[str, Any]) -> Mapping[str, Any]:
    system = mapping_in(value, "systemInstruction")
    words = text_in(system, "text") or "\n".join(
        text_in(each, "text") or "" for each in list_in(system, "parts") if isinstance(each, dict)
    )
    rest = {name: each for name, each in value.items() if name not in ("chunkedPrompt", "systemInstruction")}
    return {**rest, "system": words} if words else rest


AI_STUDIO = Plain(
    source="ai-studio",
    program="Google AI Studio",
    is_message=lambda chunk: (
        "role" in chunk and says_something([chunk.get("text"), chunk.get("parts"), chunk.get("content")])
    ),
    messages=_chunks,
    conversation=_around,
    keys=frozenset(["chunkedPrompt"]),
).format()
