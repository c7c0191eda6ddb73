"""ZIPs for people: pages to read, and beside them what an import takes.

They are written while they are read; only the list of conversations waits, on the disk, to be the index.
"""

from array import array
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from html import escape
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import quote
from uuid import UUID

from chatkeep.chat.files.store import FileStore
from chatkeep.chat.records import ConversationRecord
from chatkeep.transfer.account_archive import HISTORY, Entries, file_entries, file_entries_of, name_of_file
from chatkeep.transfer.exporter import account_as_jsonl, conversation_as_json, conversations_of
from chatkeep.transfer.markdown import conversation_as_markdown
from chatkeep.transfer.names import name_in_archive
from chatkeep.transfer.pages.conversation_page import conversation_page
from chatkeep.transfer.pages.file_places import FilePlaces, within_page
from chatkeep.transfer.pages.page import Pages, minute
from chatkeep.transfer.zip_stream import ZipStream, in_one, in_turn

FOLDER = "conversations/"
INDEX = "index.html"
README = "README.txt"
MAX_INDEX_BYTES_IN_MEMORY = 256 * 1024
_README = (Path(__file__).parent / "readme.txt").read_text(encoding="utf-8").replace("\n", "\r\n").encode()


def conversation_as_html(
    store: FileStore, user_id: UUID, conversation: ConversationRecord, language: str, now: datetime
) -> AsyncGenerator[bytes, None]:
    """Yield a conversation as one page with its files in it."""
    pages = Pages(language, now, FilePlaces(within_page, once=True))
    return conversation_page(store, user_id, conversation, pages)


def conversation_as_zip(
    store: FileStore, user_id: UUID, conversation: ConversationRecord, language: str, now: datetime
) -> AsyncGenerator[bytes, None]:
    """Yield a ZIP with a conversation as a page, as Markdown and as an import takes it, and with its files."""
    return in_turn(_conversation(ZipStream(), store, user_id, conversation, Pages(language, now, _beside(""))))


def account_as_pages(store: FileStore, user_id: UUID, language: str, now: datetime) -> AsyncGenerator[bytes, None]:
    """Yield a ZIP of an account to read: an index, a page and a Markdown file for each conversation, and their files.

    It has the history as an import takes it, too.
    """
    return in_turn(_account(ZipStream(), store, user_id, Pages(language, now, _beside("../"))))


def _beside(up: str) -> FilePlaces:
    return FilePlaces(lambda row: f"{up}{name_of_file(row)}")


async def _conversation(
    archive: ZipStream, store: FileStore, user_id: UUID, conversation: ConversationRecord, pages: Pages
) -> Entries:
    stem = name_in_archive(1, pages.title_of(conversation))
    yield archive.entry(f"{stem}.html", conversation_page(store, user_id, conversation, pages))
    yield archive.entry(f"{stem}.md", conversation_as_markdown(store, user_id, conversation, pages.places))
    yield archive.entry(HISTORY, conversation_as_json(store.database, user_id, conversation))
    async with aclosing(file_entries_of(archive, store, user_id, conversation.id)) as entries:
        async for entry in entries:
            yield entry
    yield archive.end()


async def _account(archive: ZipStream, store: FileStore, user_id: UUID, pages: Pages) -> Entries:
    yield archive.entry(README, in_one(_README))
    with SpooledTemporaryFile(max_size=MAX_INDEX_BYTES_IN_MEMORY, prefix="chatkeep-export-") as file:
        index = _Index(file)
        async with aclosing(conversations_of(store.database, user_id)) as conversations:
            async for conversation in conversations:
                title = pages.title_of(conversation)
                stem = f"{FOLDER}{name_in_archive(index.next_number, title)}"
                yield archive.entry(f"{stem}.html", conversation_page(store, user_id, conversation, pages))
                yield archive.entry(f"{stem}.md", conversation_as_markdown(store, user_id, conversation, pages.places))
                index.add(f"{stem}.html", title, conversation)
        yield archive.entry(INDEX, index.page(pages))
    yield archive.entry(HISTORY, account_as_jsonl(store.database, user_id))
    async with aclosing(file_entries(archive, store, user_id)) as entries:
        async for entry in entries:
            yield entry
    yield archive.end()


class _Index:
    """The list of conversations: written oldest first, read newest first."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._starts = array("Q")

    @property
    def next_number(self) -> int:
        return len(self._starts) + 1

    def add(self, path: str, title: str, conversation: ConversationRecord) -> None:
        self._starts.append(self._file.tell())
        when = minute(conversation.last_turn_at)
        row = (
            f'<li><a href="{escape(quote(path))}" dir="auto">{escape(title)}</a> '
            f'<span class="when">{when}</span></li>\n'
        )
        self._file.write(row.encode())

    async def page(self, pages: Pages) -> AsyncGenerator[bytes, None]:
        yield pages.head(pages.words["your_history"])
        if not self._starts:
            yield f"<p>{escape(pages.words['nothing'])}</p>\n".encode()
        yield b'<ul class="index">\n'
        end = self._file.tell()
        for start in reversed(self._starts):
            self._file.seek(start)
            yield self._file.read(end - start)
            end = start
        yield b"</ul>\n" + pages.foot()
