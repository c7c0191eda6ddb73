"""As whom the embedded server runs, and what that user can reach.

An ordinary user's server runs as that user. PostgreSQL refuses to run as root, so root's server runs as
somebody else, who can do nothing outside the data folder: a fault in the server is then not a fault of
root's. Root changes the owner and mode of its own data folder and of what it creates in it, and of
nothing else; a folder on the way that is closed to the server is reported, not opened.
"""

import os
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatkeep.errors import EmbeddedServerError

if sys.platform != "win32":
    import pwd

# `nobody` comes last, because other services may run as it too and could then read the database's files.
ACCOUNTS = ("postgres", "nobody")

_ENTER_EACH = 'for place do cd -- "$place" 2>/dev/null || { printf %s "$place"; exit 1; }; done'


@dataclass(frozen=True)
class ServerUser:
    """The operating system's user that owns the cluster and runs the server."""

    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """Whether the server has to run as someone else than this process."""
        return self.uid != os.geteuid()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        text: str = "",
        keep_open: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user to its end, fed with `text`, and return what it wrote.

        It sees nothing of this process's environment, which may hold keys of the service. It starts in `/`,
        because the working directory may be closed to it. A session of its own keeps a terminal's Ctrl-C
        from it: that one is for the service, which then stops its server in order.

        Raises:
            OSError: this user cannot run the program.
        """
        return subprocess.run(
            [str(word) for word in command],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            env=dict(environment or {}),
            cwd="/",
            start_new_session=True,
            pass_fds=tuple(keep_open),
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )

    def closed_place(self, folder: Path) -> Path | None:
        """Return the first folder on the way to `folder`, or itself, that this user cannot enter.

        It is tried rather than computed: access lists and mount options decide too.
        """
        way = [*reversed(folder.parents), folder]
        tried = self.run(["/bin/sh", "-c", _ENTER_EACH, "sh", *way])
        return Path(tried.stdout) if tried.returncode else None


def prepare_folder(folder: Path, cluster: Path) -> ServerUser:
    """Make the data folder if it is missing, and return the user whose server can work in it.

    Raises:
        EmbeddedServerError: there is no such user, or a folder on the way is closed to it.
        OSError: the folder cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = _server_user(folder, cluster)
    if user.is_other:
        _let_through(user, folder)
    return user


def _server_user(folder: Path, cluster: Path) -> ServerUser:
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid(), "who runs the service")
    for place in (cluster, folder):
        if place.exists() and place.stat().st_uid != 0:
            return _owner_of(place)
    for name in ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(account.pw_uid, account.pw_gid, name)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this system has no user `postgres` or `nobody` to run it as. "
        "Run the service as an ordinary user, or give the data folder to one with chown."
    )


def _owner_of(place: Path) -> ServerUser:
    status = place.stat()
    try:
        account = pwd.getpwuid(status.st_uid)
    except KeyError:
        return ServerUser(status.st_uid, status.st_gid, str(status.st_uid))
    return ServerUser(account.pw_uid, account.pw_gid, account.pw_name)


def _let_through(user: ServerUser, folder: Path) -> None:
    """Let the server's group pass through root's data folder, without seeing what else is in it."""
    closed = user.closed_place(folder)
    if closed == folder and folder.stat().st_uid == 0 and not _is_a_home(folder):
        os.chown(folder, -1, user.gid)
        folder.chmod(0o710)
        closed = user.closed_place(folder)
    if closed is not None:
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, so it runs as the user {user.name}, who cannot enter {closed}. "
            "Choose a data folder elsewhere, such as --data-dir /var/lib/chatkeep, "
            "or run the service as an ordinary user."
        )


def _is_a_home(folder: Path) -> bool:
    return any(Path(account.pw_dir) == folder for account in pwd.getpwall())


def open_private(path: Path, user: ServerUser, flags: int) -> int:
    """Open a file of the data folder, made for the server's user alone if it is missing.

    No link is followed: when the folder belongs to an ordinary user, that user could otherwise point
    root at any file of the system.
    """
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return os.open(path, flags | os.O_NOFOLLOW)
    if user.is_other:
        os.fchown(descriptor, user.uid, user.gid)
    return descriptor


def make_private_folder(path: Path, user: ServerUser) -> None:
    """Make a folder for the server's user alone, unless it is there.

    Raises:
        EmbeddedServerError: something of that name is there that others could have made or can enter.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not is_private_folder(path, user):
            raise EmbeddedServerError(
                f"{path} is not a folder of the user {user.name} alone (mode 0700). "
                "Look at what it holds, then remove it."
            ) from None
        return
    hand_over(path, user)


def hand_over(folder: Path, user: ServerUser) -> None:
    """Give a folder that was just made to the server's user."""
    if user.is_other:
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)


def is_private_folder(path: Path, user: ServerUser) -> bool:
    """Whether `path` is itself a folder, no link, that only the server's user can enter."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077 and status.st_uid == user.uid
