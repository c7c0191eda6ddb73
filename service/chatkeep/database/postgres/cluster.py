"""How a cluster is made: with checksums, one role that is no superuser, and its empty database.

Steps, and the state that a process leaves that dies after each:

    1. the password is written       no cluster: the next start uses this password
    2. initdb fills a new folder     no cluster: the next start removes the folder and begins again
    3. role and database are made    the same
    4. the folder is renamed         a complete cluster

`initdb` may outlive the process that started it. It holds the server's lock, so the next start waits for it.
"""

import base64
import hashlib
import hmac
import secrets
import shutil
import sys
from pathlib import Path

from chatkeep.database.postgres.data_folder import DataFolder, make_lasting, new_password, write_password
from chatkeep.database.postgres.programs import Programs

# It owns the database and is no superuser: who gets SQL past the service cannot run programs with it.
ROLE = "chatkeep"
DATABASE = "chatkeep"
# Nobody signs in as this one: it has no password, and ACCESS_RULES does not let it in.
SUPERUSER = "postgres"
ACCESS_RULES = f"local all {ROLE} scram-sha-256\n"
SCRAM_ITERATIONS = 4096


def create_cluster(place: DataFolder, programs: Programs) -> None:
    """Make the cluster, or nothing at all.

    Raises:
        EmbeddedServerError: one of PostgreSQL's programs failed; quotes what it said.
        OSError: the folder cannot be written.
    """
    if place.password() is None:
        write_password(place, programs.user, new_password())
    new = place.new_folder(programs.user)
    try:
        _initialise(new, programs)
        _run_sql(
            new,
            programs,
            f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{scram_verifier(place.password() or '')}'",
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
        )
        new.rename(place.cluster)
        make_lasting(place.path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def renew_password(place: DataFolder, programs: Programs) -> None:
    """Give the role a new password, because the file with the old one is gone. The server must be stopped.

    The server learns it before the file does: a process that dies in between leaves no file, and the
    next start does it again.
    """
    password = new_password()
    _run_sql(place.cluster, programs, f"ALTER ROLE {ROLE} PASSWORD '{scram_verifier(password)}'")
    write_password(place, programs.user, password)


def scram_verifier(password: str) -> str:
    """Return the verifier that PostgreSQL keeps of a password, so that the password itself never reaches it.

    Args:
        password: ASCII only; anything else would have to go through SASLprep first.

    Source: RFC 5802 section 3; PostgreSQL manual, pg_authid.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _initialise(new: Path, programs: Programs) -> None:
    programs.run(
        "initdb",
        f"--pgdata={new}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--data-checksums",
        "--auth=reject",
        *_locale_options(programs.binaries.major),
    )
    # Written by the server's user: where that user owns the folder, root must not follow links in it.
    programs.write(new / "pg_hba.conf", ACCESS_RULES)


def _locale_options(major: int) -> list[str]:
    """Sort by code point, and know the letters of every script.

    From 17 on PostgreSQL brings its own C.UTF-8, which no update of the system can change under an index.
    macOS has none.
    """
    system = ["--locale=C", "--lc-ctype=en_US.UTF-8"] if sys.platform == "darwin" else ["--locale=C.UTF-8"]
    built_in = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
    return [*system, *built_in]


def _run_sql(cluster: Path, programs: Programs, *statements: str) -> None:
    """Run SQL as the superuser in a server of one session, which listens nowhere."""
    options = ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
    programs.run("postgres", "--single", "-D", cluster, *options, SUPERUSER, text="".join(f"{s}\n" for s in statements))
