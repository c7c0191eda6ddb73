"""Language models: what the service asks of one, and the two that come with it."""

from service.chat.models.demonstration import DemonstrationModel
from service.chat.models.errors import ModelError, ReplyTooLong
from service.chat.models.model import Delta, LanguageModel, Usage, offered_names
from service.chat.models.params import GenerationParams
from service.chat.models.text import OutputCleaner, clean_output

__all__ = [
    "Delta",
    "DemonstrationModel",
    "GenerationParams",
    "LanguageModel",
    "ModelError",
    "OutputCleaner",
    "ReplyTooLong",
    "Usage",
    "clean_output",
    "offered_names",
]
