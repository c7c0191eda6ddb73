"""Answers with megabytes of text, written in a thread.

One call that writes a text of 32 MB holds all threads of the process for as long as it takes, 0.1 to 0.6 s. So long
texts are written in pieces, between which others come to work.
"""

from collections.abc import Iterator
from typing import Any

import anyio.to_thread
from pydantic import BaseModel
from pydantic_core import to_json

MAX_CHARACTERS_IN_LOOP = 256 * 1024
PIECE_CHARACTERS = 64 * 1024


async def long_json(body: BaseModel) -> bytes:
    """Return an answer as its model writes it, without holding up anybody else."""
    return await anyio.to_thread.run_sync(_written, body)


def _written(body: BaseModel) -> bytes:
    return b"".join(_pieces(body.model_dump(mode="json", by_alias=True)))


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, str) and len(value) > PIECE_CHARACTERS:
        yield b'"'
        for start in range(0, len(value), PIECE_CHARACTERS):
            yield to_json(value[start : start + PIECE_CHARACTERS])[1:-1]
        yield b'"'
    elif isinstance(value, dict):
        yield from _enclosed(b"{", ((to_json(str(name)) + b":", inner) for name, inner in value.items()), b"}")
    elif isinstance(value, list):
        yield from _enclosed(b"[", ((b"", inner) for inner in value), b"]")
    else:
        yield to_json(value)


def _enclosed(begin: bytes, entries: Iterator[tuple[bytes, Any]], end: bytes) -> Iterator[bytes]:
    separator = begin
    for name, value in entries:
        yield separator + name
        yield from _pieces(value)
        separator = b","
    yield (b"" if separator == b"," else begin) + end
