"""Replies of the language model's stand-in: a function of the prompt alone, so that anyone can check a reply."""

import random
import re
from collections.abc import Iterator, Mapping

# Pieces of several scripts, so that bytes, UTF-16 units and code points all count differently.
PIECES = (
    " word",
    " streams",
    " it",
    "\n",
    " 日本",
    "語で",
    "、続",
    " 👍🏽",
    " e\u0301t\u00e9",
    " Привет",
    " 0123",
    " end.",
)
_PROMPT = re.compile(r"Say (\d+) pieces: [0-9a-f-]+")


def prompt_for(key: str, length: int) -> str:
    """Return a prompt that asks for a reply of `length` pieces; `key` makes it the only one of its kind."""
    return f"Say {length} pieces: {key}"


def reply_to(prompt: str) -> str:
    """Return the one right reply to a prompt.

    Raises:
        ValueError: it is none of `prompt_for`.
    """
    asked = _PROMPT.fullmatch(prompt)
    if asked is None:
        raise ValueError(f"no reply is known to {prompt!r}")
    return "".join(random.Random(prompt).choices(PIECES, k=int(asked[1])))


class Replies(Mapping[str, str]):
    """The replies as the test model server takes them: by the newest message.

    Prompts that were never answered come before the newest one, in the same message.
    """

    def __getitem__(self, message: str) -> str:
        return reply_to(message.rpartition("\n\n")[2])

    def __contains__(self, message: object) -> bool:
        return isinstance(message, str)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True  # there is no end of them
