"""How many files, connections among them, this process and those that it starts may have open."""

import sys

MAX_FILES = 20_000


def raise_file_limit() -> None:
    """Raise the limit as far as the system lets it be raised, up to `MAX_FILES`."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  not on every system

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
