"""Replies of the test server: a known one, or one that shows exactly what the server was given."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.upstream.tools import formatted, outputs_in

Message = Mapping[str, Any]

_PIECE = re.compile(r"\s*[!-~]+|[^\x00-\x7f]{1,2}|\s+|.", re.DOTALL)


def known_replies(path: Path) -> dict[str, str]:
    """Return the prompts that have a reply in a file of conversations.

    Args:
        path: JSON lines, each `{"id", "language", "turns": [{"prompt", "reply"}]}`; a reply may be null.
    """
    with path.open(encoding="utf-8") as lines:
        turns = [turn for line in lines for turn in json.loads(line)["turns"]]
    return {turn["prompt"]: turn["reply"] for turn in turns if turn["reply"] is not None}


def reply_to(body: Mapping[str, Any], replies: Mapping[str, str]) -> str:
    """Return JSON where a request asks for it, the known reply to its newest prompt, or one made of all it sent."""
    if (made := formatted(body)) is not None:
        return made
    messages = body.get("messages") or []
    if outputs := list(outputs_in(messages)):
        return f"The tools said: {' '.join(outputs)}"
    prompts = texts_of(messages, "user")
    if prompts and prompts[-1] in replies:
        return replies[prompts[-1]]
    return made_reply(texts_of(messages, "system"), prompts, texts_of(messages, "assistant"))


def made_reply(systems: Sequence[str], prompts: Sequence[str], replies: Sequence[str]) -> str:
    newest, earlier = (prompts[-1], prompts[:-1]) if prompts else ("", [])
    parts = [f"Turn {len(prompts)}. You wrote: {newest}"]
    parts += [f"I was told: {text}" for text in systems]
    parts += [f"Before that you wrote: {text}" for text in earlier]
    parts.append(f"I have answered {len(replies)} times.")
    return "\n".join(parts)


def texts_of(messages: Sequence[Message], role: str) -> list[str]:
    return [text_of(message) for message in messages if message["role"] == role]


def text_of(message: Message) -> str:
    """Return the text of a message, whose content may be a list of parts, or nothing."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def pieces(text: str) -> list[str]:
    """Return `text` as it is streamed: word by word, or two characters of a script without spaces."""
    return _PIECE.findall(text)
