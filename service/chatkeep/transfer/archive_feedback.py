"""Ratings of ChatGPT's answers: `message_feedback.json`, beside the conversations of its ZIP."""

import zipfile
from collections.abc import Mapping
from typing import Any

from chatkeep.transfer.formats.chatgpt import FEEDBACK as GIVEN
from chatkeep.transfer.formats.fields import mapping_in, text_in
from chatkeep.transfer.imported import Unreadable
from chatkeep.transfer.json_stream import JsonValues
from chatkeep.transfer.unpacked_files import DAMAGED, TooLarge, Unpacked, Unpacking

FEEDBACK = "message_feedback.json"
MAX_BYTES = 4 * 1024 * 1024


def feedback_in(archive: zipfile.ZipFile) -> dict[tuple[str, str], Any]:
    """Return the feedback of a ZIP by conversation and message; as much of it as can be read."""
    found: dict[tuple[str, str], Any] = {}
    entry = next((each for each in archive.infolist() if each.filename.rpartition("/")[2] == FEEDBACK), None)
    if entry is None:
        return found
    try:
        for value in JsonValues(Unpacked(archive, entry, Unpacking(MAX_BYTES))):
            told = {} if isinstance(value, Unreadable) else mapping_in(value.parsed)
            conversation = text_in(told, "conversation_id")
            # Older exports have the message's id as that of the feedback.
            message = text_in(told, "message_id") or text_in(told, "id")
            if conversation and message:
                found[conversation, message] = told
    except (TooLarge, *DAMAGED):
        pass
    return found


def give_feedback(conversation: Any, feedback: Mapping[tuple[str, str], Any]) -> None:
    """Put the feedback on a conversation's messages into them."""
    name = text_in(mapping_in(conversation), "conversation_id") or text_in(mapping_in(conversation), "id")
    for node_name, node in mapping_in(conversation, "mapping").items():
        told = feedback.get((name or "", node_name))
        message = node.get("message") if isinstance(node, dict) else None
        if told is not None and isinstance(message, dict):
            message[GIVEN] = told
