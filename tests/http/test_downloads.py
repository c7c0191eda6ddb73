"""Files whose first piece is read before the answer begins."""

import sys
from collections.abc import AsyncGenerator
from uuid import UUID

from chatkeep.http.downloads import download
from chatkeep.http.open_streams import OpenStreams, StreamTerms

# A name in the test, and the parameter of what counts.
OWN_REFERENCES = 2


async def chunks() -> AsyncGenerator[bytes, None]:
    for number in range(3):
        yield bytes([number]) * 1000


async def test_a_chunk_is_held_by_nobody_while_its_client_reads_it() -> None:
    """A turn may have megabytes, and a client may take minutes to read them."""
    streams = OpenStreams(write_timeout_seconds=1)
    answer = await download(chunks(), streams, StreamTerms(UUID(int=1)), media_type="text/plain", name="x.txt")
    pieces = aiter(answer.body_iterator)
    for number in range(3):
        piece = await anext(pieces)
        assert piece == bytes([number]) * 1000
        assert sys.getrefcount(piece) == OWN_REFERENCES
        del piece
    assert await anext(pieces, None) is None
