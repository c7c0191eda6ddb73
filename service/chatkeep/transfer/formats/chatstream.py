"""ChatStream's `ChatPrompt.to_dict()`: one path, without times."""

from collections.abc import Mapping
from typing import Any

from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.errors import Invalid
from chatkeep.transfer.formats.fields import digest_of, list_in, rest_of, unread
from chatkeep.transfer.formats.messages import Message, turns_of
from chatkeep.transfer.formats.parts import BETWEEN_TEXTS
from chatkeep.transfer.imported import ImportedConversation, Unreadable

SOURCE = "chatstream"
_PROMPT = {"system": unread, "chat_contents": unread}
_MESSAGE = {"role": unread, "role_type": unread, "message": unread}
# Additions to a message, such as a pasted text: the model was given it with the message, and it is found with it.
CHILDREN = "child_messages"


def is_chatstream(value: Mapping[str, Any]) -> bool:
    contents = list_in(value, "chat_contents")
    return any(isinstance(each, dict) and ("role_type" in each or "message" in each) for each in contents)


def read_chatstream(value: Mapping[str, Any]) -> ImportedConversation:
    """Return a conversation of ChatStream. It has no id there: what it says is what it is known by.

    Raises:
        Unreadable: says which field is missing or wrong.
    """
    try:
        prompt = ChatPrompt.from_dict(value)
    except Invalid as error:
        raise Unreadable(error.detail) from None
    messages = {
        str(place): Message(
            str(place),
            str(place - 1),
            None if content.message is None else "user" if content.side == "requester" else "assistant",
            BETWEEN_TEXTS.join([content.message or "", *_children(said)]),
            raw=rest_of(said, _MESSAGE | ({CHILDREN: unread} if _children(said) else {})),
        )
        for place, (content, said) in enumerate(zip(prompt.get_contents(), value["chat_contents"], strict=True))
    }
    tree = turns_of(messages, None)
    return ImportedConversation(
        source=SOURCE,
        source_id=digest_of(value),
        system_prompt=prompt.system,
        turns=tree.turns,
        aside={"conversation": rest_of(value, _PROMPT), "messages": tree.aside},
    )


def _children(message: Mapping[str, Any]) -> list[str]:
    """Return the texts that were added to a message; none where there is anything but texts."""
    children = [each for each in list_in(message, CHILDREN) if each]
    said = isinstance(message.get("message"), str) and all(isinstance(each, str) for each in children)
    return children if said else []
