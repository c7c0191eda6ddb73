"""The path that browsers find the service under, as settings and headers name it."""

import re

MAX_CHARACTERS = 256
# Plain characters, never `//` (in a link the address of another host) and never `..`; "" is the root of a host.
_PATH = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
# Beginnings of the service's own addresses.
_OWN_NAMES = frozenset(
    {
        "account",
        "api",
        "c",
        "chat_stream",
        "clear_context",
        "console",
        "docs",
        "get_generation_params",
        "get_load",
        "get_prompt",
        "get_resource_usage",
        "healthz",
        "mcp",
        "metrics",
        "readyz",
        "set_feedback",
        "set_generation_params",
        "set-password",
        "static",
        "v1",
        "web",
    }
)


def clean_path(text: str) -> str | None:
    """Return a path without its last slash, "" for the root, or None for a text that is no path."""
    path = text.strip().rstrip("/")
    return path if len(path) <= MAX_CHARACTERS and _PATH.fullmatch(path) else None


def parse_root_path(text: str) -> str:
    """Return the setting's path without its last slash, "" for the root.

    Raises:
        ValueError: it is no path, or nobody could tell it from the service's own addresses; says what to write.
    """
    path = clean_path(text)
    if path is None:
        raise ValueError("not a path such as /chat: it begins with / and has letters, digits and . _ ~ - in it")
    if is_own_path(path):
        raise ValueError(f"the service has addresses of its own under {path}. Choose another, such as /chat")
    return path


def is_own_path(path: str) -> bool:
    """Tell whether a path begins as addresses of the service do."""
    return path.removeprefix("/").partition("/")[0] in _OWN_NAMES
