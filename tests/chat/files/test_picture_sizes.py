"""Pictures by their headers: what browsers can show is taken, and a few bytes that claim gigabytes are not."""

import io
import struct

import pytest

from chatkeep.chat.files.media_types import examine
from chatkeep.chat.files.picture_sizes import MAX_PIXELS
from chatkeep.errors import FileTooLarge, FileTypeNotAllowed
from tests.chat.files.pictures import FILES, post
from tests.http.test_bodies import code_of
from tests.support.running_service import RunningService


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + bytes(40)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def jpeg(width: int, height: int, *before: bytes) -> bytes:
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + b"".join(before) + frame + b"\xff\xda\0\2\xff\xd9"


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def webp(kind: bytes, data: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(8))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def camera(width: int, height: int) -> bytes:
    """A JPEG with what cameras and programs write before the picture, and a smaller one among it."""
    thumbnail = jpeg(160, 120)
    tables = [segment(0xDB, bytes(65)), segment(0xC4, bytes(20))]
    return jpeg(width, height, segment(0xE1, thumbnail), *[segment(0xE2, bytes(60_000))] * 40, b"\xff\xff", *tables)


KINDS = [png_header, gif, jpeg, camera, lossy, lossless, extended]


@pytest.mark.parametrize("made", KINDS)
def test_pictures_that_can_be_shown_are_taken(made: object) -> None:
    assert callable(made)
    for width, height in ((1, 1), (4032, 3024), (16_000, 6_250)):
        assert width * height <= MAX_PIXELS
        assert examine(io.BytesIO(made(width, height))).media_type.startswith("image/")


@pytest.mark.parametrize("made", [png_header, gif, jpeg, camera, extended])
def test_pictures_that_nobody_could_show_are_too_large(made: object) -> None:
    assert callable(made)
    with pytest.raises(FileTooLarge, match="60,000 by 60,000 pixels"):
        examine(io.BytesIO(made(60_000, 60_000)))


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n",
        png_header(0, 5),
        png_header(5, 5)[:18],
        b"\x89PNG\r\n\x1a\n<script>alert(1)</script>               ",
        b"GIF89a",
        gif(0, 0),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xda\0\2",
        b"\xff\xd8" + segment(0xE1, b"x" * 90),
        b"\xff\xd8\xff\xe1\0\0",
        jpeg(5, 5, *[segment(0xFE, b"")] * 2_000),
        b"\xff\xd8" + b"\xff" * 5_000,
        webp(b"VP8 ", bytes(20)),
        webp(b"EXIF", bytes(20)),
    ],
)
def test_a_broken_header_is_refused(data: bytes) -> None:
    with pytest.raises(FileTypeNotAllowed, match="damaged"):
        examine(io.BytesIO(data))


async def test_a_bomb_is_refused_in_words_and_nothing_is_kept(service: RunningService) -> None:
    person = await service.person()
    refused = await post(person, png_header(60_000, 60_000))
    assert code_of(refused, 413) == "file_too_large"
    assert "60,000 by 60,000" in refused.json()["detail"]
    assert code_of(await post(person, b"GIF89a"), 422) == "file_type_not_allowed"
    assert (await person.client.get(FILES)).json()["items"] == []
