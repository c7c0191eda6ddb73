"""Programs whose files people send and that are not read: they are refused by their names."""

from collections.abc import Callable, Mapping
from typing import Any

from chatkeep.errors import UnknownImportFormat
from chatkeep.transfer.formats.fields import list_in, mapping_in

Value = Mapping[str, Any]


def _has(*names: str) -> Callable[[Value], bool]:
    return lambda value: all(name in value for name in names)


def _messages_have(*names: str) -> Callable[[Value], bool]:
    return lambda value: any(isinstance(each, dict) and _has(*names)(each) for each in list_in(value, "messages")[:20])


_PROGRAMS: tuple[tuple[str, Callable[[Value], bool]], ...] = (
    ("Cherry Studio", lambda value: "indexedDB" in value and "localStorage" in value),
    ("SillyTavern", _has("user_name", "character_name")),
    ("SillyTavern", _has("mes", "is_user")),
    ("Telegram", _has("personal_information", "chats")),
    ("Telegram", _messages_have("from_id", "date_unixtime")),
    ("Discord", lambda value: "guild" in value and "channel" in value),
    ("Slack", _messages_have("ts", "user", "text")),
    ("Slack", _has("ts", "user", "text")),
    ("Character.AI", lambda value: "histories" in value and "character" in value),
    ("Character.AI", lambda value: isinstance(mapping_in(value, "histories").get("histories"), list)),
    ("big-AGI", _messages_have("fragments")),
    ("Microsoft Teams", _has("originalarrivaltime", "conversationid")),
    ("WhatsApp", _has("remoteJid", "message")),
    ("Msty", _has("mstyVersion")),
    ("AnythingLLM", _has("workspaceId", "prompt", "response")),
    ("Poe", _has("chatCode", "chatId")),
    ("Claude.ai (a list of projects; choose conversations.json)", _has("uuid", "is_starter_project")),
    ("Claude.ai (a list of users; choose conversations.json)", _has("uuid", "full_name", "email_address")),
    ("ChatGPT (feedback on answers; choose conversations.json)", _has("rating", "conversation_id")),
    ("Chatkeep (the configuration of its API; choose an export of the history)", _has("openapi", "paths")),
)

# A value without any of these is of none of them: most are not looked at.
_MARKS = frozenset(
    [
        *("indexedDB", "user_name", "mes", "personal_information", "messages", "guild", "ts", "histories", "rating"),
        *("originalarrivaltime", "remoteJid", "mstyVersion", "workspaceId", "chatCode", "uuid", "openapi"),
    ]
)


def program_of(value: Value) -> str | None:
    """Return the program that wrote a value which cannot be read; None where nobody knows it."""
    if _MARKS.isdisjoint(value):
        return None
    return next((name for name, fits in _PROGRAMS if fits(value)), None)


# Files that are no JSON, by their first bytes.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"SQLite format 3", "This is a database of SQLite. Export the conversations in its program, as JSON."),
    (b"%PDF-", "This is a PDF, which cannot be read as conversations. Export them as JSON."),
    (b"7z\xbc\xaf\x27\x1c", "This is a 7z archive. Unpack it, and send the files in it, or a ZIP of them."),
    (b"Rar!", "This is a RAR archive. Unpack it, and send the files in it, or a ZIP of them."),
    (b"\xfd7zXZ", "This is packed with xz. Unpack it, and send the file in it."),
    (b"BZh", "This is packed with bzip2. Unpack it, and send the file in it."),
    (b"\x28\xb5\x2f\xfd", "This is packed with zstd. Unpack it, and send the file in it."),
    (b"<", "This is a web page. Choose the JSON file of the export, which is often called conversations.json."),
    (b"Conversation,Time,Author,Message", "This is a CSV of Microsoft Copilot, which cannot be imported."),
    (b"turn_id,", "This is this service's CSV, which is for spreadsheets. Choose the JSONL of the same export."),
    (b"#", "This is Markdown, in which nothing tells who said what. Export the conversations as JSON."),
)


def refuse_known_kinds(beginning: bytes) -> None:
    """Refuse a file of a kind that people send and that is not read.

    Raises:
        UnknownImportFormat: says what it is, and what to choose instead.
    """
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    told = next((words for mark, words in _KINDS if start.startswith(mark)), None)
    if told is not None:
        raise UnknownImportFormat(told)
