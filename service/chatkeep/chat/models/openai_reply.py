"""One reply of a chat completion: the pieces that its events hold, and how it ended.

Source: OpenAI API reference, Chat completions, Streaming; Azure OpenAI, Content streaming.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chatkeep.chat.models.error_shapes import ReportedError
from chatkeep.chat.models.errors import EmptyReply, ModelBadAnswer, ModelCutOff, ModelError
from chatkeep.chat.models.event_stream import Event
from chatkeep.chat.models.openai_events import chunk_error, event_error, event_object, is_done
from chatkeep.chat.models.openai_message import MessageReader
from chatkeep.chat.models.pieces import End, FinishReason, Item, Piece, Reasoning, Refusal, Text, Usage
from chatkeep.chat.models.usage import read_usage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}
NO_REASONS = frozenset(("", "null", "none"))
# Beside `choices`, the same again with each chunk or once.
KEPT_BESIDE = ("citations", "search_results")
NO_PART = "The model server sent an event that is not part of a chat completion."


class ReplyReader:
    """Reads the events of one reply.

    Args:
        error_of: makes an error of what the server reports; told whether something was said before.
    """

    def __init__(self, error_of: Callable[[ReportedError, bool], ModelError]) -> None:
        self._error_of = error_of
        self._message = MessageReader()
        self._reason: FinishReason | None = None
        self._strange_reason: str | None = None
        self._usage: Usage | None = None
        # Where the text is, by the first chunk that has some.
        self._in_messages: bool | None = None
        self._whole_at_once = False
        self._answered = False
        self._thought = False
        # Whether there was any part of a chat completion, and whether the server says that no more comes.
        self.is_chat_completion = False
        self.done = False

    @property
    def finished(self) -> bool:
        """Whether the model said how it ended; its usage and [DONE] may follow."""
        return self._reason is not None or self._strange_reason is not None

    def read(self, event: Event) -> list[Piece]:
        """Return the pieces in an event.

        Raises:
            ModelError: it is the server's error.
            ModelBadAnswer: it is no part of a chat completion, and not harmless.
        """
        if is_done(event):
            self.is_chat_completion = self.done = True
            return []
        if (error := event_error(event)) is not None:
            raise self._error_of(error, self._answered or self._thought)
        chunk = event_object(event)
        return [] if chunk is None else self._read_chunk(chunk)

    def end(self) -> list[Piece]:
        """Return the rest of a reply that has ended, and how it ended.

        Raises:
            ModelCutOff: nothing told its end.
            ModelError: it ended as no whole reply does.
            EmptyReply: there is nothing at all.
        """
        reason = self._reason
        if reason is None and self._strange_reason is not None:
            raise ModelError(
                f"The model server ended its reply for a reason that is none of a whole one: {self._strange_reason}."
            )
        if reason is None and not self.done and not self._whole_at_once:
            raise ModelCutOff("The model server ended the connection in the middle of its reply.")
        pieces = self._noted(self._message.finish(cut=False))
        if not self._answered and not self._thought and reason not in ("length", "content_filter"):
            raise EmptyReply("The model server sent an empty reply. Try again, or choose another model.")
        if reason is None and not self._answered:
            # Nothing but thoughts, and nobody said that they were all.
            raise ModelCutOff("The model server ended its reply before the answer began.")
        return [*pieces, End(reason, self._usage)]

    def salvage(self) -> list[Piece]:
        """Return the rest of a reply that was cut: every part that is whole, and every character."""
        return self._noted(self._message.finish(cut=True))

    def _read_chunk(self, chunk: Mapping[str, Any]) -> list[Piece]:
        if (error := chunk_error(chunk)) is not None:
            raise self._error_of(error, self._answered or self._thought)
        if chunk.get("usage"):
            self._usage = read_usage(chunk["usage"]) or self._usage
        elif "x_groq" in chunk and isinstance(chunk["x_groq"], Mapping):
            self._usage = read_usage(chunk["x_groq"].get("usage")) or self._usage
        for name in KEPT_BESIDE:
            if chunk.get(name):
                self._message.note_beside(name, chunk[name])
        self.is_chat_completion = self.is_chat_completion or "choices" in chunk
        choice = _first_choice(chunk)
        if choice is None:
            return []
        pieces = self._noted(self._message.read(self._added(choice, chunk)))
        if choice.get("finish_reason") is not None:
            self._note_reason(choice["finish_reason"])
        return pieces

    def _added(self, choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the addition of a choice: its `delta`; with some servers its `message`, or the older `text`."""
        delta = choice.get("delta")
        if isinstance(delta, str):
            delta = {"content": delta}
        if delta is not None and not isinstance(delta, Mapping):
            raise ModelBadAnswer(NO_PART)
        if delta:
            # A last `message` beside the deltas holds all of them again.
            self._in_messages = bool(self._in_messages)
            return delta
        message, text = choice.get("message"), choice.get("text")
        if isinstance(message, Mapping) and self._in_messages is not False:
            self._in_messages = True
            self._whole_at_once = self._whole_at_once or chunk.get("object") == "chat.completion"
            return message
        return {"content": text} if isinstance(text, str) else {}

    def _note_reason(self, reason: object) -> None:
        if not isinstance(reason, str) or reason.strip().lower() in NO_REASONS:
            return
        known = FINISH_REASONS.get(reason.strip().lower())
        if known is not None:
            self._reason = known
        else:
            self._strange_reason = f"“{reason[:40]}”" if reason.isprintable() else "one without a name"

    def _noted(self, pieces: list[Piece]) -> list[Piece]:
        """Note what sort of thing was said, which decides whether the reply is an empty one."""
        if pieces and not self._answered:
            self._answered = any(isinstance(piece, Text | Refusal | Item) for piece in pieces)
        if pieces and not self._thought and not self._answered:
            self._thought = any(isinstance(piece, Reasoning) for piece in pieces)
        return pieces


def _first_choice(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of the first answer; others, which have another index, are not mixed into it."""
    choices = chunk.get("choices") or []
    if not isinstance(choices, list):
        raise ModelBadAnswer(NO_PART)
    for choice in choices:
        if choice is not None and not isinstance(choice, Mapping):
            raise ModelBadAnswer(NO_PART)
        if choice and choice.get("index") in (None, 0):
            return choice
    return None
