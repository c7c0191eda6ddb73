"""Conversations as most programs write them: a list of messages, each with a role and a content.

The names of fields differ, and their meanings hardly do, so a reader takes any of the usual ones. A format says only
what is its own: which messages are its, and which names mean something else there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chatkeep.transfer.formats.fields import (
    Reader,
    id_in,
    list_in,
    rest_of,
    says_something,
    source_id_of,
    text_in,
    time_in,
    unread,
)
from chatkeep.transfer.formats.format import Format
from chatkeep.transfer.formats.messages import Message, Tree, turns_of
from chatkeep.transfer.formats.plain_message import SYSTEM, Given, given_message, message_of, role_of
from chatkeep.transfer.imported import ImportedConversation

Fields = Mapping[str, Any]

MAX_SYSTEM_PROMPT_CHARACTERS = 100_000
MESSAGE_LISTS = ("messages", "chat_messages", "conversations", "conversation", "history", "turns", "items")
IDS = ("id", "uuid", "_id", "conversationId", "conversation_id", "chatID", "chat_id", "thread_id", "sessionId")
TITLES = ("title", "name", "chatTitle", "topic", "subject", "summary")
CREATED = ("created_at", "createdAt", "create_time", "createTime", "created", "inserted_at", "timestamp")
UPDATED = ("updated_at", "updatedAt", "update_time", "modify_time", "lastModified", "lastUpdate", "updated", "modified")
SYSTEMS = ("system", "system_prompt", "systemPrompt", "systemMessage", "preprompt", "instructions")
CURRENT = ("current_leaf_message_uuid", "currNode", "currentId", "current_node", "currentMessageId")
OWNERS = ("user_id", "userId")
# Fields that are read as the title or the system prompt, where they say the same.
TOLD = frozenset([*TITLES, *SYSTEMS])


def messages_in(value: Fields) -> list[Any]:
    """Return the list that a conversation's messages stand in; an empty one where there is none."""
    return next((found for name in MESSAGE_LISTS if (found := list_in(value, name))), [])


@dataclass(frozen=True, slots=True)
class Plain:
    """A format of this kind.

    Args:
        source, program: as of a `Format`.
        is_message: tells whether a message is one of this program.
        messages: returns the messages of a conversation, whatever they are.
        conversation: returns the fields around the messages, where they are not beside them.
        prepare: returns a message with the usual fields.
        keys: as of a `Format`; those of the lists that messages usually stand in.
        follows_null: a message whose parent is null follows the one before it, and is no root.
    """

    source: str
    program: str
    is_message: Callable[[Fields], bool]
    messages: Callable[[Fields], Sequence[Any]] = messages_in
    conversation: Callable[[Fields], Fields] = lambda value: value
    prepare: Callable[[Fields], Fields] = lambda message: message
    titles: tuple[str, ...] = TITLES
    follows_null: bool = False
    keys: frozenset[str] = frozenset(MESSAGE_LISTS)

    def format(self) -> Format:
        return Format(self.source, self.program, self._fits, self._read, self.keys)

    def _fits(self, value: Fields) -> bool:
        return any(isinstance(each, dict) and self.is_message(each) for each in self.messages(value)[:50])

    def _read(self, value: Fields) -> ImportedConversation:
        around, messages = self.conversation(value), self.messages(value)
        given = _given(self, messages)
        system, system_id = _system(around, given)
        tree = _tree(given, system_id, _first_text(around, CURRENT))
        title = _first_text(around, self.titles)
        return ImportedConversation(
            source=self.source,
            source_id=source_id_of(around if _has_id(around) else value, *IDS),
            title=title,
            system_prompt=system,
            archived=any(around.get(name) is True for name in ("archived", "is_archived", "isArchived")),
            created_at=_first_time(around, CREATED),
            updated_at=_first_time(around, UPDATED),
            owner=_first_text(around, OWNERS),
            turns=tree.turns,
            head=tree.head,
            aside={
                "conversation": _rest(messages, value, around, (title, system)),
                "messages": tree.aside,
                "strange": rest_of({"messages": [each for each in messages if not isinstance(each, dict)]}),
            },
        )


def is_spoken(message: Fields) -> bool:
    """Tell whether a message has a role and something that it says."""
    return role_of(message) is not None and says_something(
        [message.get(name) for name in ("content", "parts", "text", "value", "message", "contentParts", "tool_calls")]
    )


def _given(plain: Plain, messages: Sequence[Any]) -> list[Given]:
    """Return the messages with their ids and those of their parents; each id once."""
    seen: set[str] = set()
    found: list[Given] = []
    for place, each in enumerate(messages):
        if not isinstance(each, dict):
            continue
        given = given_message(plain.prepare(each), place, found[-1].id if found else None, plain.follows_null)
        if given.id in seen:
            given = replace(given, id=f"{given.id}#{place}")
        seen.add(given.id)
        found.append(given)
    return found


def _system(around: Fields, given: Sequence[Given]) -> tuple[str | None, str | None]:
    """Return the system prompt, and the message that holds it, where one does, before all that is said."""
    for each in given:
        words = each.content_text() if each.role == SYSTEM else ""
        if words and len(words) <= MAX_SYSTEM_PROMPT_CHARACTERS:
            return words, each.id
        if each.role in ("user", "assistant"):
            break
    told = _first_text(around, SYSTEMS)
    return (told, None) if told and len(told) <= MAX_SYSTEM_PROMPT_CHARACTERS else (None, None)


def _tree(given: Sequence[Given], system_id: str | None, current: str | None) -> Tree:
    messages: dict[str, Message] = {each.id: message_of(each, is_system=each.id == system_id) for each in given}
    return turns_of(messages, current)


def _rest(messages: Sequence[Any], value: Fields, around: Fields, told: tuple[str | None, ...]) -> dict[str, Any]:
    """Return the fields around the messages that nothing reads."""
    is_told: Reader = lambda fields, name: fields[name] in told  # noqa: E731
    read = _READ | dict.fromkeys(TOLD.intersection(around).union(TOLD.intersection(value)), is_told)
    rest = rest_of({name: each for name, each in around.items() if each is not messages}, read)
    if around is value:
        return rest
    outside = {name: each for name, each in value.items() if each is not messages and each is not around}
    return rest | {name: each for name, each in rest_of(outside, read).items() if name not in rest}


def _is_first(reader: Reader, names: Sequence[str]) -> Reader:
    """Take for read the first of the names that can be."""
    return lambda value, name: name == next((each for each in names if each in value and reader(value, each)), None)


_READ: dict[str, Reader] = {
    **dict.fromkeys(IDS, id_in),
    **{name: _is_first(time_in, names) for names in (CREATED, UPDATED) for name in names},
    **dict.fromkeys(CURRENT, unread),
}


def _has_id(value: Fields) -> bool:
    return any(name in value and id_in(value, name) for name in IDS)


def _first_text(value: Fields, names: Sequence[str]) -> str | None:
    return next((found for name in names if name in value and (found := text_in(value, name))), None)


def _first_time(value: Fields, names: Sequence[str]) -> Any:
    return next((found for name in names if name in value and (found := time_in(value, name))), None)
