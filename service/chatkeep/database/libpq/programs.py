"""How PostgreSQL's own programs are told an address: everything that libpq has a variable for by the environment.

Everybody on the machine sees a program's arguments, and nobody its environment.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.tls import SYSTEM

SERVICE = "chatkeep"
# Files of authorities: Debian, Red Hat, Alpine and macOS.
_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


@contextmanager
def program_arguments(address: DatabaseAddress) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the arguments and the environment that take a program to `address`, and nowhere else."""
    words = {"dbname": address.database, **_keepalive(address)}
    environment = _environment(address)
    if not (address.tls.key and address.tls.key_password):
        yield _arguments(words), environment
        return
    # libpq has no variable for it; the file is its own user's, and is gone with the program.
    with tempfile.TemporaryDirectory(prefix="chatkeep-") as folder:
        file = Path(folder, "service.conf")
        file.touch(mode=0o600)
        file.write_text(f"[{SERVICE}]\nsslpassword={address.tls.key_password}\n", encoding="utf-8")
        yield _arguments({"service": SERVICE, **words}), environment | {"PGSERVICEFILE": str(file)}


def _arguments(words: dict[str, str]) -> list[str]:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return ["--dbname=" + " ".join(f"{name}={quoted(value)}" for name, value in words.items()), "--no-password"]


def _environment(address: DatabaseAddress) -> dict[str, str]:
    timeout, numbers = address.connect_timeout_seconds, [each.number for each in address.hosts]
    found: dict[str, object] = {
        "HOME": os.environ.get("HOME"),
        "PGHOST": ",".join(each.name for each in address.hosts),
        "PGHOSTADDR": ",".join(numbers) if any(numbers) else None,
        "PGPORT": ",".join(str(each.port) for each in address.hosts),
        "PGUSER": address.user,
        "PGPASSWORD": address.password,
        "PGPASSFILE": address.password_file,
        # A role's own client_encoding may lack characters of the conversations, and pg_dump would fail at the first.
        "PGCLIENTENCODING": "UTF8",
        "PGAPPNAME": address.application_name,
        "PGOPTIONS": address.options,
        "PGCONNECT_TIMEOUT": int(timeout) if timeout else None,
        "PGTARGETSESSIONATTRS": address.session_attributes,
        "PGLOADBALANCEHOSTS": "random" if address.at_random else None,
        "PGCHANNELBINDING": address.channel_binding,
        "PGGSSENCMODE": "disable",
        "PGKRBSRVNAME": address.kerberos_service,
        **_tls(address),
    }
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def _tls(address: DatabaseAddress) -> dict[str, object]:
    tls = address.tls
    if address.has_only_sockets:
        return {}  # a client that was built without TLS refuses to hear of it, also where there is none
    return {
        "PGSSLMODE": tls.mode,
        "PGSSLROOTCERT": _authorities() if tls.root == SYSTEM else tls.root,
        "PGSSLCERT": tls.certificate,
        "PGSSLKEY": tls.key,
        "PGSSLCERTMODE": None if tls.certificate else "disable",
        "PGSSLCRL": tls.revoked,
        "PGSSLCRLDIR": tls.revoked_folder,
        "PGSSLMINPROTOCOLVERSION": tls.oldest,
        "PGSSLMAXPROTOCOLVERSION": tls.newest,
        "PGSSLSNI": int(tls.names_server),
        "PGSSLNEGOTIATION": "direct" if tls.direct else None,
    }


def _authorities() -> str:
    """Return the machine's authorities as a file: clients before 16 do not know `system`."""
    own = ssl.get_default_verify_paths().cafile
    return next((each for each in (own, *_AUTHORITIES) if each and Path(each).is_file()), SYSTEM)


def _keepalive(address: DatabaseAddress) -> dict[str, str]:
    wanted = address.keepalive
    found = {
        "keepalives": None if wanted.on else 0,
        "keepalives_idle": wanted.idle_seconds,
        "keepalives_interval": wanted.interval_seconds,
        "keepalives_count": wanted.count,
        "tcp_user_timeout": wanted.user_timeout_milliseconds,
    }
    return {name: str(value) for name, value in found.items() if value is not None}
