"""Everything that a model says in one reply."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chatkeep.chat.models import (
    End,
    Item,
    LanguageModel,
    ModelError,
    OutputCleaner,
    Piece,
    Reasoning,
    Refusal,
    Text,
    TextWasReasoning,
    as_piece,
)
from chatkeep.chat.models.prompt import ChatPrompt


@dataclass
class Heard:
    """The result of one request.

    Attributes:
        end: None where it failed.
        error: None where it did not.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    end: End | None = None
    error: ModelError | None = None

    def add(self, piece: Piece) -> None:
        assert self.end is None, "nothing comes after the end"
        self.pieces.append(piece)
        match piece:
            case Text(text):
                assert text
                self.text += text
            case Reasoning(text):
                assert text
                self.reasoning += text
            case TextWasReasoning():
                self.text, self.reasoning = "", self.reasoning + self.text
            case Refusal(text):
                self.refusal += text
            case Item(item):
                self.items.append(item)
            case End():
                self.end = piece

    @property
    def calls(self) -> tuple[tuple[str, str], ...]:
        return tuple((each["name"], each["arguments"]) for each in self.items if each["type"] == "function_call")


async def hear(
    model: LanguageModel, prompt: str, name: str | None = None, params: Mapping[str, object] | None = None
) -> Heard:
    """Ask, and listen to the end or to the failure."""
    heard, asked = Heard(), ChatPrompt()
    asked.add_requester_msg(prompt)
    try:
        async with aclosing(model.stream(asked, model=name, params=params or {})) as reply:
            async for said in reply:
                heard.add(as_piece(said))
    except ModelError as error:
        heard.error = error
    cleaner = OutputCleaner()
    heard.text = cleaner.feed(heard.text) + cleaner.finish()
    return heard
