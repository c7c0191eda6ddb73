"""Answers that are files: streamed, named, and never holding anything while a slow client reads."""

import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from urllib.parse import quote

import anyio

from chatkeep.http.open_streams import OpenStreams, StreamTerms
from chatkeep.http.streams import Stream

MAX_NAME_CHARACTERS = 80
# Characters that mean something to a file system or a shell, turn text around, or cannot be seen.
_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f"*/:<>?\\\\|`$%;\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


class Download(Stream):
    """A streamed file."""


async def download(
    chunks: AsyncGenerator[bytes, None],
    streams: OpenStreams,
    terms: StreamTerms,
    *,
    media_type: str,
    name: str,
    title: str | None = None,
) -> Download:
    """Return a file whose first chunk is there already, so that what fails before it has a status code.

    Args:
        terms: on which it is sent.
        name: ASCII, such as `history.csv`.
        title: what somebody called it; shown in place of the name's stem where the client can.
    """
    begun = [await anext(chunks, b"")]

    async def from_first() -> AsyncGenerator[bytes, None]:
        # Under no name: a chunk may be a turn of megabytes, which would be held for as long as its client reads.
        try:
            yield begun.pop()
            with suppress(StopAsyncIteration):
                while True:
                    yield await anext(chunks)
        finally:
            with anyio.CancelScope(shield=True):
                await chunks.aclose()

    headers = {"Content-Disposition": content_disposition(name, title)}
    return Download(from_first(), streams, terms, headers=headers, media_type=media_type)


def content_disposition(name: str, title: str | None = None, *, shown: bool = False) -> str:
    """Return the header that names a download; a title can neither leave the folder nor end the header.

    Args:
        shown: a browser may show it instead.

    Source: RFC 6266, sections 4.1 and 4.3; RFC 8187, section 3.2.
    """
    header = f'{"inline" if shown else "attachment"}; filename="{name}"'
    if stem := safe_stem(title or ""):
        whole = f"{stem}.{name.rpartition('.')[2]}"
        header += f"; filename*=UTF-8''{quote(whole, safe='')}"
    return header


def safe_stem(title: str) -> str:
    """Return a title as part of a file name; empty where nothing of it can be."""
    stem = " ".join(_UNSAFE.sub(" ", title).split()).strip(" .")[:MAX_NAME_CHARACTERS].strip(" .")
    return f"{stem}_" if _RESERVED.fullmatch(stem) else stem
