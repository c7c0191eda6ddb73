"""Which program wrote a conversation: by what only its files have."""

from typing import Any

from chatkeep.transfer.formats.chatgpt import is_chatgpt, read_chatgpt
from chatkeep.transfer.formats.chatkeep import is_own, read_own
from chatkeep.transfer.formats.chatstream import is_chatstream, read_chatstream
from chatkeep.transfer.formats.open_webui import is_open_webui, read_open_webui
from chatkeep.transfer.imported import ImportedConversation, UnknownFormat

FORMATS = (
    (is_own, read_own),
    (is_chatgpt, read_chatgpt),
    (is_chatstream, read_chatstream),
    (is_open_webui, read_open_webui),
)


def read_conversation(value: Any) -> ImportedConversation:
    """Return the conversation that a value of a file is.

    Raises:
        UnknownFormat: it is none of any format.
        Unreadable: it is one, and cannot be kept; says why.
    """
    if isinstance(value, dict):
        for fits, read in FORMATS:
            if fits(value):
                return read(value)
    raise UnknownFormat
