"""Whatever a file says is somewhere in what is kept of it, but for a list of fields that is written here."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from chatkeep.chat.reply_log import fits_reply
from chatkeep.clock import utc_now
from chatkeep.transfer.formats.detection import read_conversation
from chatkeep.transfer.rows import to_rows

# A message's place in its tree, and what names it or its request in the other program alone.
LEFT_BEHIND = {"id", "parent", "children", "parentId", "childrenIds", "current_node", "currentId", "current_message_id"}
LEFT_BEHIND |= {"parent_id", "request_id", "turn_exchange_id", "message_type", "timestamp_"}
EXAMPLES = 600
ROLES = ("user", "assistant", "assistant", "system", "tool")
ANYTHING: tuple[Any, ...] = ("?", None, [], {}, ["?"], {"deep": ["?", {"deeper": "?"}]}, 7, True, "")


class Writer:
    """Writes conversations with anything that programs have been seen to write, and much that they have not."""

    def __init__(self, seed: int) -> None:
        self._chance, self._marks = random.Random(seed), 0

    def one(self, *values: Any) -> Any:
        """Return one of the values, with a mark of its own in the place of each `?`."""
        return self._marked(self._chance.choice(values))

    def _marked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._marked(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._marked(each) for each in value]
        self._marks += 1
        return f"<{self._marks}>" if value == "?" else value

    def some(self, **fields: tuple[Any, ...]) -> dict[str, Any]:
        """Return an object with some of the fields, each one of its values."""
        return {name: self.one(*values) for name, values in fields.items() if self._chance.random() < 0.6}

    def tree(self, parent: str, message: Callable[[], Any]) -> dict[str, dict[str, Any]]:
        """Return messages by name, each with the name of one before it or of none."""
        names = [f"m{number}" for number in range(self._chance.randint(1, 6))]
        return {
            name: {"id": name, parent: self.one(None, *names[:place])} | message() for place, name in enumerate(names)
        }

    def chatgpt(self) -> dict[str, Any]:
        more = self.some(title=("?", "", 7), conversation_id=("?",), gizmo_id=ANYTHING, default_model_slug=("?",))
        messages = (None, "?", *(self._chatgpt_message() for _ in range(6)))
        nodes = self.tree("parent", lambda: self.some(message=messages, note=ANYTHING))
        said = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [self.one("?")]}}
        # Of nothing that is said there is no conversation, and the file is told as a failure.
        return more | {"mapping": nodes | {"said": {"id": "said", "message": said}} | self.some(strange=ANYTHING)}

    def _chatgpt_message(self) -> dict[str, Any]:
        kinds = ("text", "multimodal_text", "code", "thoughts", "user_editable_context", None)
        speech = {"content_type": "audio_transcription", "text": "?"}
        parts = [self.one("?", "", None, {"content_type": "image_asset_pointer", "asset_pointer": "?"}, speech)]
        thought = {"summary": "?", "content": "?", "finished": True, "note": "?"}
        content = self.some(
            content_type=kinds,
            parts=([], parts, ["?", *parts], "?"),
            text=("?",),
            user_profile=("?",),
            thoughts=([thought, thought], [{"content": "?", "chunks": ["?"]}, "?"], "?", {}),
        )
        source = {"type": "webpage", "matched_text": "?", "alt": "?", "items": [{"url": "?", "title": "?"}]}
        metadata = self.some(
            is_visually_hidden_from_conversation=(True, False),
            model_slug=("?", "?", 7),
            request_id=("?",),
            finish_details=({"type": "stop"}, {"type": "interrupted", "why": "?"}, "?"),
            is_complete=(True, False, "?"),
            user_context_message_data=ANYTHING,
            content_references=([], [source, "?"], "?"),
            citations=([{"start_ix": 0, "end_ix": 3, "metadata": {"url": "?"}}], {}),
            attachments=([{"id": "?", "name": "?"}, "?"], "?"),
            finished_duration_sec=(5, "?"),
        )
        # Without an author or a content it says nothing, and of nothing else there is no conversation.
        said = {"author": {"role": self.one("user", "assistant")}, "content": content}
        return said | self.some(
            author=(None, "?", *({"role": role} | self.some(name=ANYTHING) for role in ROLES)),
            content=(content, content, content, None, "?"),
            create_time=(None, 1.7e9, 0, -5, "?", "2024-01-01T00:00:00Z"),
            status=(None, "finished_successfully", "in_progress", "?"),
            weight=(None, 0, 1, 1.0),
            recipient=(None, "all", "all", "?", "canmore.create_textdoc"),
            channel=ANYTHING,
            metadata=(metadata, metadata, None, "?"),
        )

    def open_webui(self) -> dict[str, Any]:
        chat = self.some(title=("?",), models=ANYTHING, tags=ANYTHING, system=("?",), params=ANYTHING, timestamp=("?",))
        messages = self.tree("parentId", self._open_webui_message) | self.some(strange=ANYTHING)
        messages["said"] = {"id": "said", "role": "user", "content": self.one("?")}
        chat["history"] = {"messages": messages} | self.some(note=ANYTHING)
        whole = self.some(title=("?",), tags=ANYTHING, meta=ANYTHING, archived=(True, "?"), created_at=(1.7e9, "?"))
        return self._chance.choice((chat, whole | {"chat": chat}))

    def _open_webui_message(self) -> dict[str, Any]:
        image = {"type": "image_url", "image_url": {"url": "?"}}
        call = {"id": "1", "type": "?", "function": {"name": "?", "arguments": '{"a": 1}', "note": "?"}}
        output = [
            {
                "type": "reasoning",
                "duration": 1.25,
                "summary": [{"text": "?"}],
                "content": [{"text": "?"}],
                "note": "?",
            },
            {"type": "function_call", "call_id": "1", "name": "?", "arguments": "?", "status": "?"},
            {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "?"}]},
            {"type": "open_webui:code_interpreter", "code": "?"},
        ]
        return self.some(
            role=("user", "assistant", "assistant", "system", "tool", None),
            content=("?", "?", "", None, [{"type": "text", "text": "?"}, image], ["?"], {"text": "?"}),
            timestamp=(None, 1.7e9, 1.7e12, "?"),
            model=("?", "?", 7, ["?"]),
            models=ANYTHING,
            done=(True, False),
            error=(None, None, "?", True, {"content": "?", "kind": "?"}, {"detail": "?"}, ["?"]),
            usage=(None, {"prompt_tokens": 5, "speed": "?"}, {"prompt_tokens": "?"}, "?"),
            annotation=(None, {"rating": 1, "comment": "?", "reason": "?"}, {"comment": "?"}, {"rating": "?"}, "?"),
            files=ANYTHING,
            sources=([{"document": ["?"], "metadata": [{"source": "?"}]}], "?", {"url": "?"}),
            reasoning_content=("?", ["?"]),
            reasoning=("?", 7),
            tool_calls=([call, {"id": "?"}, "?"], "?"),
            tool_call_id=("?", 7),
            output=(output, [*output, {"type": "?", "note": "?"}], "?", []),
        )

    def chatstream(self) -> dict[str, Any]:
        contents = []
        for side in ("requester", "responder") * 2:
            message = self.one("?", "?", None) if side == "responder" else self.one("?")
            said = {"role": side, "role_type": side.upper(), "message": message}
            contents.append(said | self.some(message_id=("?", None), note=ANYTHING))
        prompt = {"system": self.one("?", None), "requester": "requester", "responder": "responder"}
        return prompt | {"chat_contents": contents} | self.some(note=ANYTHING)


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text of a file that has to be found again."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in LEFT_BEHIND:
                yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, str) and value.startswith("<"):
        yield value


@pytest.mark.parametrize("program", ["chatgpt", "open_webui", "chatstream"])
def test_every_text_of_a_file_is_kept(program: str) -> None:
    for seed in range(EXAMPLES):
        value = getattr(Writer(seed), program)()
        kept = to_rows(read_conversation(value), UUID(int=1), utc_now())
        said = json.dumps([kept.conversation, kept.turns], default=str, ensure_ascii=False)
        assert all(
            fits_reply(turn["reply"] or "", turn["reply_items"] or ()) for turn in kept.turns if turn["reply_items"]
        )
        lost = {text for text in texts_in(value) if text not in said}
        assert lost == set(), json.dumps(value, indent=1)
