"""llama.cpp's web UI: `conv` with the fields of a conversation, and a tree of `messages`.

As JSONL, the first line is the conversation and every other one a message: see `chatkeep.transfer.message_lines`.
"""

from chatkeep.transfer.formats.fields import mapping_in
from chatkeep.transfer.formats.plain import Plain

FORMAT = Plain(
    source="llama.cpp",
    program="llama.cpp",
    is_message=lambda message: "convId" in message and "role" in message,
    conversation=lambda value: mapping_in(value, "conv") or value,
    titles=("name", "title"),
).format()
