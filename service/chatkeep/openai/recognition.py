"""Which kept conversation the history of a request is.

A chat completion comes with its whole history. Each prompt is kept with a digest of all messages up to it, so that the
history is found by one look-up, and the reply is compared with the one that the client sends back. See DECISIONS.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chatkeep.database.database import Database
from chatkeep.openai.completion_messages import Message, Said, digest_after, digest_of, said_in, said_in_reply
from chatkeep.openai.queries import KNOWN_PATHS, PATH_ABOVE, TURNS_BY_PATH, TURNS_BY_PROMPT, AnsweredPrompt

# So many earlier places are looked at where a history was changed, and so many turns where its beginning is left out.
MAX_PLACES = 8
MAX_COMPARED = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes on.

    Args:
        parent_id, conversation_id: the turn that it follows; None begins a conversation.
        prompt: the messages that are not kept yet.
        max_earlier: how many turns before it the client sent; None where that is all of them.
    """

    prompt: Sequence[Message]
    parent_id: UUID | None = None
    conversation_id: UUID | None = None
    max_earlier: int | None = None


class History:
    """The messages of a request, without its instructions."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        # A last word of the assistant's own is the beginning of a reply that the client asks for.
        end = len(messages)
        while end and messages[end - 1].get("role") == "assistant":
            end -= 1
        self.replies = [at for at, message in enumerate(messages[:end]) if message.get("role") == "assistant"]
        # Of all messages before each.
        self.digests = [b""]
        for message in messages:
            self.digests.append(digest_after(self.digests[-1], message))

    @property
    def path_digest(self) -> bytes:
        """Of the whole, its new prompt too."""
        return self.digests[-1]

    @property
    def prompt_digest(self) -> bytes:
        return digest_of(self.messages[self.replies[-1] + 1 :] if self.replies else self.messages)

    def said_at(self, number: int) -> Said:
        return said_in(self.messages[self.replies[number]])

    def asked_before(self, number: int) -> Sequence[Message]:
        """Return the messages between a reply and the one before."""
        first = self.replies[number - 1] + 1 if number else 0
        return self.messages[first : self.replies[number]]

    def after(self, number: int) -> Sequence[Message]:
        return self.messages[self.replies[number] + 1 :]


async def place_of(database: Database, user_id: UUID, history: History) -> Place:
    """Return where the history goes on: behind all of it, where its beginning is left out, or where it was changed."""
    if not history.replies:
        return Place(history.messages)
    last = len(history.replies) - 1
    found = await _at(database, user_id, history, last)
    if found is not None:
        return Place(history.after(last), found.turn_id, found.conversation_id)
    return (
        await _without_beginning(database, user_id, history)
        or await _where_changed(database, user_id, history)
        or Place(history.messages)
    )


async def _at(database: Database, user_id: UUID, history: History, number: int) -> AnsweredPrompt | None:
    """Return the newest turn that was asked so, with all before it, and answered so."""
    digest = history.digests[history.replies[number]]
    rows = await database.rows(TURNS_BY_PATH, user_id=user_id, path_digest=digest)
    return _answered(rows, history.said_at(number))


def _answered(rows: Sequence[AnsweredPrompt], said: Said) -> AnsweredPrompt | None:
    same = [row for row in rows if said == said_in_reply(row.reply, row.reply_items)]
    return next(iter(same), None) or next((row for row in rows if _is_answer(row, said)), None)


def _is_answer(row: AnsweredPrompt, said: Said) -> bool:
    return said.is_of(said_in_reply(row.reply, row.reply_items), status=row.status)


async def _without_beginning(database: Database, user_id: UUID, history: History) -> Place | None:
    """Find the turn that ends a history of which the client no longer sends the first messages."""
    last = len(history.replies) - 1
    asked = history.asked_before(last)
    rows = await database.rows(TURNS_BY_PROMPT, user_id=user_id, prompt_digest=digest_of(asked)) if asked else []
    for row in rows:
        if _is_answer(row, history.said_at(last)) and await _is_path(database, user_id, history, row):
            return Place(history.after(last), row.turn_id, row.conversation_id, last + 1)
    return None


async def _is_path(database: Database, user_id: UUID, history: History, row: AnsweredPrompt) -> bool:
    """Tell whether the turns above are what the client sends of them, the first of it perhaps without its prompt."""
    count = min(len(history.replies), MAX_COMPARED)
    above = await database.rows(
        PATH_ABOVE, user_id=user_id, conversation_id=row.conversation_id, start_id=row.turn_id, limit=count
    )
    if len(above) < count:
        return False
    for turn, number in zip(above, range(len(history.replies) - 1, -1, -1), strict=False):
        asked = history.asked_before(number)
        if not _is_answer(turn, history.said_at(number)) or (asked and turn.prompt_digest != digest_of(asked)):
            return False
    return True


async def _where_changed(database: Database, user_id: UUID, history: History) -> Place | None:
    """Find the last place up to which the history is kept: what comes after it is a branch."""
    digests = [history.digests[at] for at in history.replies[:-1]]
    known = set(await database.rows(KNOWN_PATHS, user_id=user_id, path_digests=digests)) if digests else set()
    places = [number for number, digest in enumerate(digests) if digest in known]
    for number in places[: -MAX_PLACES - 1 : -1]:
        found = await _at(database, user_id, history, number)
        if found is not None:
            return Place(history.after(number), found.turn_id, found.conversation_id)
    return None
