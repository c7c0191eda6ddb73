"""Media types of files, by their bytes and never by the sender's word.

Threat: an HTML or SVG file that is called a picture would run as a page of this service. So only what begins like a
raster picture is one, and everything that can be read as text is plain text.

Source: WHATWG MIME Sniffing, 6.1 and 7.1.
"""

import codecs
import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from chatkeep.chat.files.picture_sizes import require_bearable_size
from chatkeep.chat.models.context import estimate_tokens
from chatkeep.errors import FileTypeNotAllowed

PNG, JPEG, GIF, WEBP = "image/png", "image/jpeg", "image/gif", "image/webp"
PDF = "application/pdf"
TEXT = "text/plain"
# Types that a browser may show in a page: no part of such a file can run.
RASTER_TYPES = (PNG, JPEG, GIF, WEBP)
# The most that a picture costs where it is scaled down first, as OpenAI and Anthropic do.
IMAGE_TOKENS = 1_600
# A page of 3 kB has about 600 words.
PDF_BYTES_PER_TOKEN = 4
MAX_TOKENS = 2**31 - 1

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"%PDF-", PDF),
)
# Tab, line feed, form feed, carriage return and escape are in texts; no other control character is.
_NOT_IN_TEXTS = bytes(set(range(32)) - {9, 10, 12, 13, 27})
_READ_BYTES = 256 * 1024
NOT_ALLOWED = "Files of this type cannot be sent. Send a picture (PNG, JPEG, GIF or WebP), a PDF, or a text in UTF-8."

NO_PICTURE = "This is no picture that can be shown: PNG, JPEG, GIF and WebP are."


@dataclass(frozen=True, slots=True)
class Examined:
    """The facts about a file that has been read whole."""

    media_type: str
    size: int
    sha256: bytes
    tokens: int


def examine(file: BinaryIO) -> Examined:
    """Read a file to its end, a piece at a time, and go back to its beginning.

    Raises:
        FileTypeNotAllowed: it is empty, damaged, or neither a picture, a PDF nor a text in UTF-8.
        FileTooLarge: a picture of too many pixels.
    """
    file.seek(0)
    digest, size, tokens = hashlib.sha256(), 0, 0
    media_type: str | None = None
    decoder = codecs.getincrementaldecoder("utf-8")()
    while piece := file.read(_READ_BYTES):
        media_type = media_type or _type_by_beginning(piece)
        digest.update(piece)
        size += len(piece)
        if media_type == TEXT:
            tokens += _tokens_of_text(piece, decoder)
    if media_type == TEXT:
        _decoded(b"", decoder, final=True)
    if media_type is None:
        raise FileTypeNotAllowed("The file is empty.")
    if media_type in RASTER_TYPES:
        require_bearable_size(file)
    file.seek(0)
    if media_type != TEXT:
        tokens = IMAGE_TOKENS if media_type in RASTER_TYPES else size // PDF_BYTES_PER_TOKEN + 1
    return Examined(media_type, size, digest.digest(), min(tokens, MAX_TOKENS))


def _type_by_beginning(piece: bytes) -> str:
    if piece.startswith(b"RIFF") and piece[8:12] == b"WEBP":
        return WEBP
    return next((media_type for beginning, media_type in _BEGINNINGS if piece.startswith(beginning)), TEXT)


def _tokens_of_text(piece: bytes, decoder: codecs.IncrementalDecoder) -> int:
    if len(piece.translate(None, _NOT_IN_TEXTS)) < len(piece):
        raise FileTypeNotAllowed(NOT_ALLOWED)
    return estimate_tokens(_decoded(piece, decoder))


def _decoded(piece: bytes, decoder: codecs.IncrementalDecoder, *, final: bool = False) -> str:
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError:
        raise FileTypeNotAllowed(NOT_ALLOWED) from None
