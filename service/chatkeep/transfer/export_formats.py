"""Formats in which a conversation, or all of an account, is written down."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from chatkeep.chat.files.store import FileStore
from chatkeep.chat.records import ConversationRecord
from chatkeep.transfer.account_archive import account_as_zip
from chatkeep.transfer.exporter import account_as_jsonl, conversation_as_json, conversation_as_jsonl
from chatkeep.transfer.markdown import conversation_as_markdown
from chatkeep.transfer.pages.archives import account_as_pages, conversation_as_html, conversation_as_zip

AccountFormat = Literal["jsonl", "zip", "html"]
ConversationFormat = Literal["json", "markdown", "jsonl", "html", "zip"]

Chunks = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Export:
    """One export.

    Args:
        store: has the database and the files.
        language: of its pages.
        now: when it is made.
    """

    store: FileStore
    user_id: UUID
    language: str
    now: datetime


class AccountWriter(NamedTuple):
    """A format of a whole account."""

    write: Callable[[Export], Chunks]
    media_type: str
    suffix: str


class ConversationWriter(NamedTuple):
    """A format of one conversation."""

    write: Callable[[Export, ConversationRecord], Chunks]
    media_type: str
    suffix: str


ACCOUNT_FORMATS: Mapping[AccountFormat, AccountWriter] = {
    "jsonl": AccountWriter(
        lambda export: account_as_jsonl(export.store.database, export.user_id), "application/jsonl", "jsonl"
    ),
    "zip": AccountWriter(lambda export: account_as_zip(export.store, export.user_id), "application/zip", "zip"),
    "html": AccountWriter(
        lambda export: account_as_pages(export.store, export.user_id, export.language, export.now),
        "application/zip",
        "zip",
    ),
}
CONVERSATION_FORMATS: Mapping[ConversationFormat, ConversationWriter] = {
    "json": ConversationWriter(
        lambda export, which: conversation_as_json(export.store.database, export.user_id, which),
        "application/json",
        "json",
    ),
    "markdown": ConversationWriter(
        lambda export, which: conversation_as_markdown(export.store, export.user_id, which), "text/markdown", "md"
    ),
    "jsonl": ConversationWriter(
        lambda export, which: conversation_as_jsonl(export.store.database, export.user_id, which),
        "application/jsonl",
        "jsonl",
    ),
    "html": ConversationWriter(
        lambda export, which: conversation_as_html(export.store, export.user_id, which, export.language, export.now),
        "text/html",
        "html",
    ),
    "zip": ConversationWriter(
        lambda export, which: conversation_as_zip(export.store, export.user_id, which, export.language, export.now),
        "application/zip",
        "zip",
    ),
}
