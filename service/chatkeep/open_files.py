"""How many files and connections this process may open, and so how many replies it can generate."""

from chatkeep.config import Settings

# Files besides clients' connections: the event loop's own, libraries, temporary files of imports, the log.
RESERVED_FILES = 128
# Where sockets are not files.
WITHOUT_LIMIT = 8192
ENOUGH = 65_536


def raise_limit() -> None:
    """Let the process and those that it starts open as many files as the system allows, within reason.

    Shells and systemd begin with 1,024 for the sake of programs that use select(), which this one does not.
    """
    try:
        import resource  # noqa: PLC0415  not on every system
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def max_open_files() -> int:
    try:
        import resource  # noqa: PLC0415  not on every system
    except ImportError:
        return WITHOUT_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft


def possible_generations(settings: Settings) -> int:
    """Return how many replies are generated at once at most: each has a connection to the model, and to a reader."""
    left = max_open_files() - settings.database_pool_size - RESERVED_FILES
    return max(1, min(settings.max_generations, left // 2))
