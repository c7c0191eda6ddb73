"""The protocol of ChatStream's clients: names, the end mark, and the whole text again and again."""

MESSAGE_ID_HEADER = "X-ChatStream-Last-Generated-Message-Id"
# Ours: which conversation is meant, where it is not the current one.
CONVERSATION_HEADER = "X-Chatkeep-Conversation"

END_MARK = "<::EOS::>"
_HARMLESS_MARK = "<\u200b::EOS::>"

MIN_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 1.0
BYTES_PER_SECOND = 256 * 1024


def chunk_of(text: str) -> bytes:
    """Return the whole text so far as one chunk.

    A mark inside the text would be read as its end, so it gets a character without width; the stored text has none.
    """
    return (text.replace(END_MARK, _HARMLESS_MARK) + END_MARK).encode()


def pause_after(chunk: bytes) -> float:
    """Return how many seconds to collect text before the next chunk.

    Each chunk repeats all before it. Without a pause 5 KB of reply are 2.5 MB on the wire, and a client that asks
    for long replies makes the service send without end.
    """
    return min(max(len(chunk) / BYTES_PER_SECOND, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
