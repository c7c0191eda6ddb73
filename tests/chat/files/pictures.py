"""Files as people send them, and their ways in."""

import struct
import zlib
from typing import Any

import httpx2

from tests.support.running_service import Person

FILES = "/api/v1/files"


def png(width: int = 2, height: int = 2, *, shade: int = 0) -> bytes:
    """Return a picture of one grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([shade]) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><script>alert(1)</script>"


async def post(person: Person, data: bytes, name: str = "tea.png", media_type: str = "image/png") -> httpx2.Response:
    return await person.client.post(FILES, files={"file": (name, data, media_type)})


async def add(person: Person, data: bytes, name: str = "tea.png", media_type: str = "image/png") -> dict[str, Any]:
    """Send a file that is expected to be kept."""
    answer = await post(person, data, name, media_type)
    assert answer.status_code == 201, answer.text
    kept: dict[str, Any] = answer.json()
    return kept
