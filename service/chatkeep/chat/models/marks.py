"""Reasoning that a server leaves in the text of an answer, told apart by its marks.

`<think>` and its kin count only where the answer begins, so that an answer about such marks stays whole. A lone
`</think>` counts where it is not quoted: some chat templates put the opening mark into the prompt.

Source: OpenAI harmony response format, Receiving messages; DeepSeek-R1 and Qwen3 model cards, chat templates.
"""

import re
from collections.abc import Iterable

from chatkeep.chat.models.pieces import Item, Piece, Reasoning, ReasoningField, Text, TextWasReasoning

THINK_MARKS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
}
OPENING, LONE_END = "<think>", "</think>"
HARMONY_STARTS = ("<|channel|>", "<|start|>")
HARMONY_MESSAGE = "<|message|>"
HARMONY_ENDS = ("<|end|>", "<|return|>", "<|call|>", *HARMONY_STARTS)
MAX_HARMONY_HEADER_CHARACTERS = 1000
BEGINNINGS = (*THINK_MARKS, *HARMONY_STARTS)
# Around a mark that is written about and not used.
QUOTES = tuple("`'\"“”‘’「」")
CODE_FENCE = "```"

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=(?:functions\.)?([^\s<]+)")
_HARMONY_END = re.compile("|".join(re.escape(mark) for mark in HARMONY_ENDS))


class MarkReader:
    """Makes pieces of an answer's text, which comes in parts that may end within a mark."""

    def __init__(self) -> None:
        self._step = self._begin
        self._held = ""
        # The answer so far, until it is known whether it was one.
        self._answered: list[str] = []
        self._lone_end_possible = True
        self._closing = ""
        self._thoughts = 0
        self._in_thought = False
        self._channel = ""
        self._recipient = ""
        self._arguments: list[str] = []
        self._calls = 0

    def feed(self, text: str) -> list[Piece]:
        """Return the pieces that are sure by now, perhaps none."""
        if not self._held and self._step == self._answer and "<" not in text:  # as most is
            if self._lone_end_possible:
                self._answered.append(text)
            return [Text(text)]
        self._held += text
        return self._run(last=False)

    def finish(self) -> list[Piece]:
        """Return the rest where the answer has ended."""
        return self._run(last=True)

    def _run(self, *, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        while True:
            step = self._step
            pieces += step(last)
            if self._step == step:
                return pieces

    def _begin(self, last: bool) -> list[Piece]:
        begun = self._held.lstrip()
        if not last and any(mark.startswith(begun) and mark != begun for mark in BEGINNINGS):
            return []
        opening = next((mark for mark in THINK_MARKS if begun.startswith(mark)), None)
        if opening:
            self._held, self._closing, self._step = begun.removeprefix(opening), THINK_MARKS[opening], self._think
            self._lone_end_possible = False
        elif begun.startswith(HARMONY_STARTS):
            self._held, self._step = begun, self._header
        else:
            # The blanks after a thought belong to its mark.
            self._held = begun if self._thoughts or not self._lone_end_possible else self._held
            self._step = self._answer
        return []

    def _think(self, last: bool) -> list[Piece]:
        thought, mark, rest = self._held.partition(self._closing)
        if mark:
            self._held, self._step = rest, self._begin
            return self._end_thought(thought, "think")
        sure = thought if last else _without_beginning_of((self._closing,), thought)
        return self._reason(sure, thought, "think")

    def _answer(self, last: bool) -> list[Piece]:
        if self._lone_end_possible:
            return self._answer_or_thought(last)
        text, self._held = self._held, ""
        return [Text(text)] if text else []

    def _answer_or_thought(self, last: bool) -> list[Piece]:
        """Pass text on, and look for the end of a thought whose beginning stands in the prompt."""
        before, mark, after = self._held.partition(LONE_END)
        if mark and not after and not last:
            return []  # the next character tells whether it is quoted
        if OPENING in before or (mark and self._is_quoted(before, after)):
            self._lone_end_possible = False
            return self._answer(last)
        if mark:
            return self._all_was_thought(before, after)
        sure = before if last else _without_beginning_of((OPENING, LONE_END), before)
        if not (last or self._answered or sure.strip()):
            return []  # blanks before the first word: if the mark comes next, they are its
        self._held = before[len(sure) :]
        self._answered.append(sure)
        return [Text(sure)] if sure else []

    def _is_quoted(self, before: str, after: str) -> bool:
        said = "".join((*self._answered, before))
        return said.endswith(QUOTES) or after.startswith(QUOTES) or said.count(CODE_FENCE) % 2 == 1

    def _all_was_thought(self, before: str, after: str) -> list[Piece]:
        pieces: list[Piece] = []
        if "".join(self._answered).strip():
            pieces, self._in_thought, self._thoughts = [TextWasReasoning("think")], True, 1
        self._answered.clear()
        self._held, self._step, self._lone_end_possible = after, self._begin, False
        return pieces + self._end_thought(before, "think")

    def _header(self, last: bool) -> list[Piece]:
        header, mark, rest = self._held.partition(HARMONY_MESSAGE)
        if not mark:
            if last or len(header) > MAX_HARMONY_HEADER_CHARACTERS:
                self._step, self._lone_end_possible = self._answer, False
            return []
        channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
        self._channel = channel[1] if channel else ""
        self._recipient = recipient[1] if recipient else ""
        self._held, self._step = rest, self._message
        return []

    def _message(self, last: bool) -> list[Piece]:
        end = _HARMONY_END.search(self._held)
        if end is None:
            sure = self._held if last else _without_beginning_of(HARMONY_ENDS, self._held)
            return [*self._say_in_channel(sure, self._held), *(self._end_message() if last else ())]
        body, self._held = self._held[: end.start()], self._held[end.start() :]
        if end[0] not in HARMONY_STARTS:
            self._held = self._held.removeprefix(end[0])
        self._step = self._rest
        rest, self._held = self._held, ""
        pieces = [*self._say_in_channel(body, body), *self._end_message()]
        self._held = rest
        return pieces

    def _rest(self, last: bool) -> list[Piece]:
        """Between two messages: blanks, a part of a mark, or nothing more."""
        begun = self._held.lstrip()
        if begun.startswith(HARMONY_STARTS):
            self._held, self._step = begun, self._header
        elif last:
            self._held = ""
        return []

    def _say_in_channel(self, sure: str, held: str) -> list[Piece]:
        if self._channel == "analysis":
            return self._reason(sure, held, "harmony")
        self._held = held[len(sure) :]
        if self._recipient:
            self._arguments.append(sure)
            return []
        return [Text(sure)] if sure else []

    def _end_message(self) -> list[Piece]:
        if self._channel == "analysis":
            return self._end_thought("", "harmony")
        if not self._recipient:
            return []
        arguments, name = "".join(self._arguments), self._recipient
        self._arguments.clear()
        self._recipient, self._calls = "", self._calls + 1
        call_id = f"call_{self._calls}"
        return [Item({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments.strip()})]

    def _reason(self, sure: str, held: str, field: ReasoningField) -> list[Piece]:
        """Pass on the part of a thought that is sure; blanks at its end wait, they may be those before the mark."""
        sure = sure.rstrip()
        self._held = held[len(sure) :]
        if not self._in_thought:
            sure = sure.lstrip()
            if not sure:
                return []
            self._in_thought = True
            sure = "\n\n" + sure if self._thoughts else sure
            self._thoughts += 1
        return [Reasoning(sure, field)] if sure else []

    def _end_thought(self, rest: str, field: ReasoningField) -> list[Piece]:
        held, self._held = self._held, ""
        pieces = self._reason(rest, rest, field)
        self._held, self._in_thought = held, False
        return pieces


def _without_beginning_of(marks: Iterable[str], text: str) -> str:
    """Leave out an end of `text` that may be the beginning of a mark."""
    for length in range(min(len(text), max(map(len, marks)) - 1), 0, -1):
        if any(len(mark) > length and text.endswith(mark[:length]) for mark in marks):
            return text[:-length]
    return text
