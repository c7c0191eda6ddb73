"""Conversations of a file, read and placed, as many as are kept in one transaction.

Whatever is wrong with one of them costs that one: it is a failure with its reason, in whichever place it stands.
"""

import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.collections_of_chats import conversations_in
from chatkeep.transfer.formats.detection import names_of_programs, read_conversation
from chatkeep.transfer.formats.fields import is_digest
from chatkeep.transfer.formats.format import Format
from chatkeep.transfer.full_collections import full_collections_put_off
from chatkeep.transfer.imported import UnknownFormat, Unreadable
from chatkeep.transfer.json_stream import Value
from chatkeep.transfer.message_lines import Found
from chatkeep.transfer.owners import is_wanted
from chatkeep.transfer.rows import ConversationRows, to_rows
from chatkeep.transfer.sanitize import sanitize

log = structlog.get_logger(__name__)

CHARACTERS_PER_BATCH = 2 * 1024 * 1024
# The fixed cost of a batch, shared by conversations of one word: 50 took a third longer for a megabyte of those.
CONVERSATIONS_PER_BATCH = 250
# A file of which nothing can be read is not read to its end for the sake of a list of failures.
MAX_FAILURES = 10_000
ANOTHERS = "It is another user's."
# In a row that are no JSON: what comes behind them is not looked at.
MAX_WORDS = 1_000
THE_REST = "(the rest)"
IN_THE_LOG = "Its log says where it failed."


@dataclass(slots=True)
class ReadConversation:
    """One conversation, read and placed, and how much text it was.

    Args:
        source_id: what it is called where it comes from; its place in the file where that is not known.
        rows: None where it cannot be kept.
        is_unknown: no format fits it.
        is_wanted: False: it is of another user than those whose are imported.
        origin: which of the imported files it comes from.
    """

    source_id: str
    source: str = ""
    size: int = 0
    rows: ConversationRows | None = None
    reason: str | None = None
    kept_aside: int = 0
    owner: str | None = None
    is_unknown: bool = False
    is_wanted: bool = True
    origin: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.source_id


class _Part(NamedTuple):
    """One conversation of a value, with its format where that is known."""

    parsed: Any
    known: Format | None
    size: int
    is_suspicious: bool


class BatchReader:
    """Reads files batch by batch.

    Args:
        files: by their names the values of each, with their places.
        owners: whose conversations are wanted, by their names in the other program; empty: everybody's.
    """

    def __init__(
        self, files: Sequence[tuple[str, Iterator[Found]]], user_id: UUID, owners: Collection[str] = ()
    ) -> None:
        self._user_id = user_id
        self._owners = owners
        self._is_one = len(files) == 1
        self._values = self._each(files)
        self._known = False

    def next_batch(self, now: datetime) -> list[ReadConversation]:
        """Return the next conversations; an empty list at the end.

        Raises:
            UnknownImportFormat: nothing in the file is of a known format.
        """
        with full_collections_put_off():
            return self._next_batch(now)

    def _next_batch(self, now: datetime) -> list[ReadConversation]:
        batch: list[ReadConversation] = []
        size = 0
        for origin, place, value in self._values:
            read = self._read(place, value, now)
            read.origin = origin
            del value
            batch.append(read)
            size += read.size
            self._known = self._known or not read.is_unknown
            # Nothing is begun for a file before something in it is known.
            is_full = size > CHARACTERS_PER_BATCH or len(batch) >= CONVERSATIONS_PER_BATCH
            if (is_full and self._known) or len(batch) >= MAX_FAILURES:
                break
        if batch and not self._known:
            raise _unknown(batch)
        return batch

    def _each(self, files: Sequence[tuple[str, Iterator[Found]]]) -> Iterator[tuple[int, str, _Part | Unreadable]]:
        """Yield the values, each conversation of a collection by itself, with the number of its file."""
        for origin, (name, found) in enumerate(files):
            for place, value in self._of_file(found):
                within = place if self._is_one else f"{name}{'' if place.startswith('#') else '/'}{place}"
                if isinstance(value, Unreadable):
                    yield origin, within, value
                else:
                    for part, each in _split(within, value):
                        yield origin, part, each
                del value

    def _of_file(self, found: Iterator[Found]) -> Iterator[tuple[str, Value | Unreadable]]:
        """Yield the values of a file; an error of another than the only one is that file's failure."""
        words = 0
        try:
            for place, value in found:
                # A letter is one thing that is no JSON, and not as many as it has words.
                words = words + 1 if isinstance(value, UnknownFormat) else 0
                if words > MAX_WORDS:
                    return
                if words <= 1:
                    held = [value]
                    del value
                    yield place, held.pop()
        except UnknownImportFormat as error:
            if self._is_one:
                raise
            yield "", UnknownFormat(error.detail)
        except Exception as error:  # noqa: BLE001  whatever it is, what was read before it is kept
            yield THE_REST, Unreadable(_not_understood(error))

    def _read(self, place: str, value: _Part | Unreadable, now: datetime) -> ReadConversation:
        if isinstance(value, Unreadable):
            return ReadConversation(place, reason=value.reason, is_unknown=isinstance(value, UnknownFormat))
        try:
            return self._wanted(_placed(value, self._user_id, now))
        except Unreadable as error:
            # Nobody finds a digest in a file.
            known_as = place if error.source_id is None or is_digest(error.source_id) else error.source_id
            return ReadConversation(
                known_as, size=value.size, reason=error.reason, is_unknown=isinstance(error, UnknownFormat)
            )
        except RecursionError:
            return ReadConversation(place, size=value.size, reason="It is nested too deep.")
        except Exception as error:  # noqa: BLE001  whatever it is
            return ReadConversation(place, size=value.size, reason=_not_understood(error))

    def _wanted(self, read: ReadConversation) -> ReadConversation:
        if is_wanted(read.owner, self._owners):
            return read
        return replace(read, rows=None, reason=ANOTHERS, is_wanted=False)


def _split(place: str, value: Value) -> Iterator[tuple[str, _Part | Unreadable]]:
    try:
        inside = conversations_in(value.parsed)
        first, second = next(inside, None), next(inside, None)
        if first is None or second is None:
            parsed, known = first or (None, None)
            yield place, _Part(parsed, known, value.size, value.is_suspicious)
            return
        yield f"{place}.1", _Part(*first, value.size, value.is_suspicious)
        for number, each in enumerate(chain([second], inside), start=2):
            yield f"{place}.{number}", _Part(*each, 0, value.is_suspicious)
    except Exception as error:  # noqa: BLE001  whatever it is
        yield place, Unreadable(_not_understood(error))


def _placed(value: _Part, user_id: UUID, now: datetime) -> ReadConversation:
    conversation = read_conversation(sanitize(value.parsed, is_suspicious=value.is_suspicious), value.known)
    return ReadConversation(
        conversation.source_id,
        conversation.source,
        value.size,
        to_rows(conversation, user_id, now),
        kept_aside=len(conversation.aside.get("messages", ())),
        owner=conversation.owner,
    )


def _not_understood(error: Exception) -> str:
    """Put on the log where something failed, and return words for a person.

    Files of other programs are documented nowhere: one that nobody thought of costs its conversation alone. Its words
    are in no log.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    log.warning("conversation_not_understood", error=type(error).__name__, where=f"{last.name}:{last.lineno}")
    return f"This service could not read it. {IN_THE_LOG}"


def _unknown(batch: list[ReadConversation]) -> UnknownImportFormat:
    told = next((each.reason for each in batch if each.reason and each.reason != UnknownFormat().reason), None)
    if told is not None:
        return UnknownImportFormat(told)
    programs: Any = ", ".join(dict.fromkeys(names_of_programs()))
    return UnknownImportFormat(f"This is no file that can be imported. Files of these programs can: {programs}.")
