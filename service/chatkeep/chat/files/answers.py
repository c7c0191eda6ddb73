"""A file's bytes as an answer: shown where that is safe, and otherwise saved.

Threat: what a user sent runs as a page of this service, with the opener's cookie. Three things stand against that,
each enough by itself: only raster pictures are shown, browsers may not guess another type (`nosniff`, which every
answer has), and whatever it is has an origin of its own and may load nothing.
"""

from collections.abc import AsyncGenerator

from chatkeep.chat.files.media_types import GIF, JPEG, PDF, PNG, RASTER_TYPES, TEXT, WEBP
from chatkeep.chat.files.queries import FileRecord
from chatkeep.http.downloads import content_disposition
from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.streams import Stream

SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
SUFFIXES = {PNG: "png", JPEG: "jpg", GIF: "gif", WEBP: "webp", PDF: "pdf", TEXT: "txt"}
# Endings of a text that is saved: a double click on these runs nothing.
TEXT_SUFFIXES = ("txt", "md", "csv", "json")


class FileContent(Stream):
    """The bytes of a file."""


def file_content(
    chunks: AsyncGenerator[bytes, None], row: FileRecord, streams: OpenStreams, terms: StreamTerms
) -> FileContent:
    """Return a file's bytes under the type that was found in them."""
    media_type = row.media_type if row.media_type in SUFFIXES else "application/octet-stream"
    headers = {
        "Content-Disposition": _disposition(row.name, media_type),
        "Content-Security-Policy": SANDBOX,
    }
    return FileContent(chunks, streams, terms, headers=headers, media_type=media_type)


def _disposition(name: str, media_type: str) -> str:
    stem, _, suffix = name.rpartition(".")
    own = SUFFIXES.get(media_type, "bin")
    if media_type == TEXT and suffix.lower() in TEXT_SUFFIXES:
        own = suffix.lower()
    elif media_type == TEXT:
        stem = name
    return content_disposition(f"file.{own}", stem or name, shown=media_type in RASTER_TYPES)
