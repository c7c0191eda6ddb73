"""Which program wrote a conversation: by what only its messages have.

The first format that fits reads it, so those whose messages have something of their own come before those that take
any list of messages.
"""

import traceback
from collections.abc import Mapping
from typing import Any

import structlog

from chatkeep.transfer.formats import (
    chat_ui,
    chatbox,
    claude,
    claude_code,
    deepseek,
    gemini,
    grok,
    jan,
    librechat,
    llamacpp,
    lmstudio,
    lobechat,
    neutral,
    nextchat,
    sharegpt,
    typingmind,
)
from chatkeep.transfer.formats.chatgpt import is_chatgpt, read_chatgpt
from chatkeep.transfer.formats.chatkeep import is_own, read_own
from chatkeep.transfer.formats.chatstream import is_chatstream, read_chatstream
from chatkeep.transfer.formats.fields import mapping_in, text_in
from chatkeep.transfer.formats.format import Format
from chatkeep.transfer.formats.open_webui import is_open_webui, read_open_webui
from chatkeep.transfer.formats.other_programs import program_of
from chatkeep.transfer.formats.plain import is_spoken
from chatkeep.transfer.formats.plain_message import ROLE_FIELDS
from chatkeep.transfer.imported import ImportedConversation, UnknownFormat, Unreadable

log = structlog.get_logger(__name__)

FORMATS = (
    Format("chatkeep", "Chatkeep", is_own, read_own, frozenset(["format"])),
    deepseek.FORMAT,
    Format("chatgpt", "ChatGPT", is_chatgpt, read_chatgpt, frozenset(["mapping"])),
    Format("chatstream", "ChatStream", is_chatstream, read_chatstream, frozenset(["chat_contents"])),
    claude.FORMAT,
    librechat.FORMAT,
    llamacpp.FORMAT,
    grok.FORMAT,
    gemini.TAKEOUT,
    gemini.AI_STUDIO,
    sharegpt.FORMAT,
    claude_code.FORMAT,
    lmstudio.FORMAT,
    jan.FORMAT,
    chat_ui.FORMAT,
    chatbox.FORMAT,
    typingmind.FORMAT,
    nextchat.FORMAT,
    lobechat.FORMAT,
    Format("open-webui", "Open WebUI", is_open_webui, read_open_webui, frozenset(["chat", "history", "messages"])),
    neutral.FORMAT,
)
_OF_MESSAGES = frozenset([*ROLE_FIELDS, "isCreatedByUser"])
NO_MESSAGES = "No message of it could be read."
# A value with one of these was meant as a conversation, although nothing in it can be read.
_MEANT = frozenset(
    ["mapping", "messages", "chat_messages", "history", "conversations", "chat_contents", "responses", "turns"]
)


def read_conversation(value: Any, known: Format | None = None) -> ImportedConversation:
    """Return the conversation that a value of a file is.

    Args:
        known: its format, where somebody has looked already.

    Raises:
        UnknownFormat: it is none of any format.
        Unreadable: it is one, and cannot be kept; says why.
    """
    if not isinstance(value, dict):
        raise UnknownFormat
    known = known or format_of(value)
    if known is not None:
        conversation = known.read(value)
        # This service's own may be one in which nobody has said anything yet.
        if known.source != "chatkeep" and not _says_something(conversation):
            raise Unreadable(NO_MESSAGES, conversation.source_id)
        return conversation
    program = program_of(value)
    if program is not None:
        raise UnknownFormat(f"This is a file of {program}, which cannot be imported.")
    if _is_meant(value) or _is_meant(mapping_in(value, "chat")):
        raise Unreadable(NO_MESSAGES, next(filter(None, (text_in(value, name) for name in ("id", "uuid"))), None))
    raise UnknownFormat


def _is_meant(value: Mapping[str, Any]) -> bool:
    return any(isinstance(value[name], (dict, list)) for name in _MEANT.intersection(value))


def format_of(value: Mapping[str, Any]) -> Format | None:
    """Return the format of a conversation; None where a value is none."""
    return next((each for each in FORMATS if not each.keys.isdisjoint(value) and _fits(each, value)), None)


def _fits(known: Format, value: Mapping[str, Any]) -> bool:
    """Tell whether a value is of a format; one that nobody foresaw is not, and costs nobody else anything."""
    try:
        return known.fits(value)
    except Exception as error:  # noqa: BLE001  whatever it is
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.name}:{last.lineno}"
        log.warning("format_not_told", format=known.source, error=type(error).__name__, where=where)
        return False


def _says_something(conversation: ImportedConversation) -> bool:
    return any(turn.prompt or turn.reply or turn.prompt_items or turn.reply_items for turn in conversation.turns)


def names_of_programs() -> list[str]:
    """Return the names of the programs whose files are read."""
    return [each.program for each in FORMATS]


def is_message(value: Mapping[str, Any]) -> bool:
    """Tell whether a value is a message by itself."""
    return not _OF_MESSAGES.isdisjoint(value) and is_spoken(value)
