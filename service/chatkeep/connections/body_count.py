"""The size of one request's body as it comes, its framing, its pieces and the fields after it, each within a limit."""

from chatkeep.connections.head import MAX_FIELDS, MAX_HEAD_BYTES, BadHead

# The framing around the pieces of a body: sizes and extensions, where a client can hide any amount.
MAX_FRAMING_BYTES = 64 * 1024
MAX_FRAMING_RATIO = 8
# Each piece is a call, however little is in it: so many of any size, and more where they hold so much on average.
MAX_SMALL_PIECES = 16_384
MIN_PIECE_BYTES = 16


class BodyCount:
    """Counts one body; `body_bytes` are those of its pieces."""

    __slots__ = ("_framed_bytes", "_pieces", "_trailer_bytes", "body_bytes")

    def __init__(self) -> None:
        self.body_bytes = self._framed_bytes = self._pieces = self._trailer_bytes = 0

    def add_read(self, size: int) -> bool:
        """Count bytes of the connection; False where they have far more around the pieces than in them."""
        self._framed_bytes += size
        framing = self._framed_bytes - self.body_bytes - MAX_HEAD_BYTES
        return framing <= MAX_FRAMING_BYTES + MAX_FRAMING_RATIO * self.body_bytes

    def add_piece(self, size: int) -> None:
        """Count a piece of the body.

        Raises:
            BadHead: there are too many small ones.
        """
        self.body_bytes += size
        self._pieces += 1
        if self._pieces > MAX_SMALL_PIECES + self.body_bytes // MIN_PIECE_BYTES:
            raise BadHead("bad_request", "The body comes in too many small pieces.")

    def add_trailer(self, size: int, fields: int) -> None:
        """Count a field after the body as it comes: all of them may come in one read, with the body's end.

        Args:
            fields: how many came before it.

        Raises:
            BadHead: there are too many, or they are too large.
        """
        self._trailer_bytes += size + 4
        if self._trailer_bytes > MAX_HEAD_BYTES or fields >= MAX_FIELDS:
            raise BadHead("head_too_large")
