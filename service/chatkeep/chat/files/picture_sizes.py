"""How many pixels a picture has, by its header.

Threat: a file of a few bytes that says it is 60,000 pixels wide and high takes gigabytes wherever it is decoded: in the
browser of its reader, an administrator's included, and in the model's server.

Sources: PNG 3rd edition, 11.2.1; GIF89a, 18; ITU-T T.81, B.2.2; RFC 9649, 2.4 to 2.7.
"""

import struct
from typing import BinaryIO

from chatkeep.errors import FileTooLarge, FileTypeNotAllowed

MAX_PIXELS = 100_000_000
HEADER_BYTES = 32
# More than any camera writes before the picture itself; each is a step of the search.
MAX_JPEG_SEGMENTS = 1_000
DAMAGED = "This picture is damaged: its header does not say how large it is."

Size = tuple[int, int]


def require_bearable_size(file: BinaryIO) -> None:
    """Refuse a raster picture that nobody could show, and leave the file where its header ends.

    Raises:
        FileTypeNotAllowed: its header is broken.
        FileTooLarge: it has more than `MAX_PIXELS`.
    """
    file.seek(0)
    header = file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0")
    size = _size_in(header) or (_jpeg_size(file) if header.startswith(b"\xff\xd8\xff") else None)
    if size is None or 0 in size:
        raise FileTypeNotAllowed(DAMAGED)
    if size[0] * size[1] > MAX_PIXELS:
        raise FileTooLarge(
            f"The picture is {size[0]:,} by {size[1]:,} pixels large. It may have {MAX_PIXELS // 1_000_000} million."
        )


def _size_in(header: bytes) -> Size | None:
    """Return width and height of a PNG, a GIF or a WebP."""
    match header[:4], header[12:16]:
        case b"\x89PNG", b"IHDR":
            return struct.unpack_from(">II", header, 16)
        case b"GIF8", _:
            return struct.unpack_from("<HH", header, 6)
        case b"RIFF", b"VP8 " if header[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", header, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"RIFF", b"VP8L" if header[20] == 0x2F:
            (bits,) = struct.unpack_from("<I", header, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"RIFF", b"VP8X":
            return int.from_bytes(header[24:27], "little") + 1, int.from_bytes(header[27:30], "little") + 1
    return None


def _jpeg_size(file: BinaryIO) -> Size | None:
    """Return width and height from the first frame header, passing over the segments before it."""
    file.seek(2)
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = _next_marker(file)
        if marker is None or marker in (0xD9, 0xDA):  # the end, or pixels without a frame
            return None
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # they stand alone
            continue
        lengths = file.read(2)
        if len(lengths) < 2 or (length := int.from_bytes(lengths)) < 2:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = file.read(5)
            return (int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])) if len(frame) == 5 else None
        file.seek(length - 2, 1)
    return None


def _next_marker(file: BinaryIO) -> int | None:
    """Return the marker that comes next; any number of fill bytes may stand before it."""
    if file.read(1) != b"\xff":
        return None
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = file.read(1)
        if marker != b"\xff":
            return marker[0] if marker else None
    return None
