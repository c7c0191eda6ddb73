"""Where a command takes a new password from: a terminal, standard input, or chance; never an argument."""

import getpass
import secrets
import string
import sys
from pathlib import Path
from typing import Annotated

import typer

from chatkeep.cli.terminal.options import storable
from chatkeep.cli.terminal.output import print_info
from chatkeep.errors import ConfigurationError, Invalid

PANEL = "Password"
# 122 bits. One double click selects all of it, and none of its characters looks like another.
RANDOM_LENGTH = 21
RANDOM_CHARACTERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
TRIES = 3
STDIN = "-"
# The hashes that `PasswordHasher` verifies.
SCHEMES = ("argon2", "bcrypt", "pbkdf2_sha256", "scrypt")

FromStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        rich_help_panel=PANEL,
        help="Read the password from standard input, up to the end of its first line.",
    ),
]
AtRandom = Annotated[
    bool,
    typer.Option(
        "--random-password",
        rich_help_panel=PANEL,
        help="Make a random password. It is the only output, shown this once.",
    ),
]


def new_password(*, from_stdin: bool, at_random: bool) -> str:
    """Return a new password from where the options say; without any, ask for it twice, without echo.

    Raises:
        Invalid: no text, or not the same twice.
        ConfigurationError: there is no terminal to ask on.
    """
    if at_random:
        return random_password()
    return first_line_of_stdin() if from_stdin else _asked()


def random_password() -> str:
    """Return a password that nobody can guess, of letters and digits alone."""
    return "".join(secrets.choice(RANDOM_CHARACTERS) for _ in range(RANDOM_LENGTH))


def first_line_of_stdin() -> str:
    """Return the first line of standard input without its end.

    Raises:
        Invalid: it is empty, or not text that can be kept.
    """
    try:
        line = sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Invalid("Standard input is not UTF-8 text.") from None
    if not line:
        raise Invalid("Standard input is empty. Write one line to it: echo does, or a file with <.")
    return _storable(line)


def one_of(**given: bool) -> None:
    """Refuse several of options that exclude each other.

    Raises:
        BadParameter: names them.
    """
    names = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise typer.BadParameter(f"Choose one of {' and '.join(names)}.")


def known_hash(given: str) -> str:
    """Return a hash that signing in can check: `given`, or the first line of standard input where that is `-`.

    Raises:
        Invalid: of a kind that it cannot check, or damaged.
    """
    from passlib.context import CryptContext  # noqa: PLC0415  help need not wait for it

    kept = first_line_of_stdin() if given == STDIN else given
    context = CryptContext(schemes=list(SCHEMES))
    try:
        # Identifying looks at its beginning only; asking about its age reads all of it.
        readable = context.identify(kept) is not None and context.needs_update(kept) is not None
    except ValueError:
        readable = False
    if not readable:
        raise Invalid(
            "This is not a password hash that can be checked here. An argon2, bcrypt, pbkdf2_sha256 or scrypt "
            "hash begins with $argon2id$, $2b$, $pbkdf2-sha256$ or $scrypt$; quote it, or the shell takes its "
            "dollar signs."
        )
    return kept


def _asked() -> str:
    if not _has_terminal():
        raise ConfigurationError(
            "There is no terminal to ask for the password on. Use --password-stdin, or --random-password."
        )
    for _ in range(TRIES):
        password = getpass.getpass("Password: ")
        if password == getpass.getpass("Password again: "):
            return _storable(password)
        print_info("The two passwords differ. Try again.")
    raise Invalid("The two passwords differ. Nothing was changed.")


def _has_terminal() -> bool:
    try:
        Path("/dev/tty").open("rb+", buffering=0).close()
    except OSError:
        return sys.stdin.isatty()
    return True


def _storable(password: str) -> str:
    try:
        storable(password)
    except typer.BadParameter as error:
        raise Invalid(str(error)) from None
    return password
