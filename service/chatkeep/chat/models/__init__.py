"""Language models: what the service asks of one, and the two that come with it."""

from chatkeep.chat.models.clean_text import OutputCleaner, clean_output
from chatkeep.chat.models.demonstration import DemonstrationModel
from chatkeep.chat.models.errors import EmptyReply, ModelError, ReplyTooLong
from chatkeep.chat.models.model import Delta, LanguageModel, offered_names
from chatkeep.chat.models.params import GenerationParams
from chatkeep.chat.models.pieces import (
    End,
    FinishReason,
    Item,
    Piece,
    Reasoning,
    Refusal,
    Said,
    Text,
    TextWasReasoning,
    Usage,
    as_piece,
)

__all__ = [
    "Delta",
    "DemonstrationModel",
    "EmptyReply",
    "End",
    "FinishReason",
    "GenerationParams",
    "Item",
    "LanguageModel",
    "ModelError",
    "OutputCleaner",
    "Piece",
    "Reasoning",
    "Refusal",
    "ReplyTooLong",
    "Said",
    "Text",
    "TextWasReasoning",
    "Usage",
    "as_piece",
    "clean_output",
    "offered_names",
]
