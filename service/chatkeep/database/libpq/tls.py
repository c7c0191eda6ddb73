"""TLS to the database: what `sslmode` and the parameters beside it ask for, as one of Python's contexts.

Source: PostgreSQL manual 34.19, SSL Support.
"""

import os
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from chatkeep.database.libpq.parameters import TLS_VERSIONS
from chatkeep.database.libpq.reasons import UnusableCertificate
from chatkeep.database.libpq.sources import Value, home_folder
from chatkeep.errors import ConfigurationError

SYSTEM = "system"
_FOLDER = ".postgresql"
_VERSIONS = dict(
    zip(
        TLS_VERSIONS,
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
        strict=True,
    )
)


@dataclass(frozen=True)
class Tls:
    """How connections over the network are encrypted, and what the server has to prove.

    Args:
        mode: one of libpq's six.
        root: the file of the authorities to trust, `system` for the machine's own, None where nothing is proved.
        direct: begin with TLS at once, as PostgreSQL 17 can.
    """

    mode: str
    root: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str = field(default="", repr=False)
    revoked: Path | None = None
    revoked_folder: Path | None = None
    oldest: str = "TLSv1.2"
    newest: str | None = None
    names_server: bool = True
    direct: bool = False

    @property
    def is_required(self) -> bool:
        return self.mode in ("require", "verify-ca", "verify-full")

    def context(self, server_name: str) -> ssl.SSLContext:
        """Return the context for a server of that name, of the files as they are now: certificates are renewed.

        Raises:
            UnusableCertificate: a file cannot be used (any more).
        """
        files = (self.certificate, self.key, self.revoked, self.revoked_folder)
        states = tuple(_state(each) for each in (*files, None if self.root == SYSTEM else self.root) if each)
        return _context(self, server_name, states)


def read_tls(values: Mapping[str, Value], environment: Mapping[str, str]) -> Tls:
    """Return the TLS that the parameters ask for; files that libpq looks for at home are taken where they are there.

    Raises:
        ConfigurationError: they contradict each other, or a file that they name is not there.
    """
    home = home_folder(environment)
    folder = home / _FOLDER if home else None
    mode, root = _mode_and_root(values, folder)
    certificate, key = _certificate(values, folder)
    names_server = _text(values, "sslsni") != "0"
    if mode == "verify-full" and not names_server:
        raise ConfigurationError(f"{values['sslsni'].called} is 0, and sslmode=verify-full needs the server's name.")
    direct = _text(values, "sslnegotiation") == "direct"
    if direct and mode in ("disable", "allow", "prefer"):
        raise ConfigurationError(
            f"{values['sslnegotiation'].called} is direct, which takes sslmode=require, verify-ca or verify-full."
        )
    revoked = _named(values, "sslcrl") or _found(folder, "root.crl")
    revoked_folder = _named(values, "sslcrldir")
    oldest, newest = _text(values, "ssl_min_protocol_version") or "TLSv1.2", _text(values, "ssl_max_protocol_version")
    if newest and TLS_VERSIONS.index(newest) < TLS_VERSIONS.index(oldest):
        raise ConfigurationError(f"{values['ssl_max_protocol_version'].called} is below the oldest version, {oldest}.")
    return Tls(
        mode,
        root,
        certificate,
        key,
        _text(values, "sslpassword") or "",
        revoked if root else None,
        revoked_folder if root else None,
        oldest,
        newest,
        names_server,
        direct,
    )


def _mode_and_root(values: Mapping[str, Value], folder: Path | None) -> tuple[str, str | None]:
    given = _text(values, "sslrootcert")
    mode = _text(values, "sslmode") or ("require" if _text(values, "requiressl") == "1" else None)
    if given == SYSTEM:
        if mode not in (None, "verify-full"):
            raise ConfigurationError(
                f"{values['sslrootcert'].called} is system, and sslmode={mode} would not look at the server's name: "
                "anybody has a certificate of those authorities. Say sslmode=verify-full."
            )
        return "verify-full", SYSTEM
    mode = mode or "prefer"
    if mode in ("disable", "allow", "prefer"):
        return mode, None
    file = _named(values, "sslrootcert") or _found(folder, "root.crt")
    if file is None and mode != "require":
        raise ConfigurationError(
            f"sslmode={mode} needs the authority that the server's certificate is from: sslrootcert=/path/to/ca.crt, "
            "or sslrootcert=system with sslmode=verify-full."
        )
    return mode, str(file) if file else None


def _certificate(values: Mapping[str, Value], folder: Path | None) -> tuple[Path | None, Path | None]:
    if _text(values, "sslcertmode") == "disable" or _text(values, "sslmode") == "disable":
        return None, None
    certificate = _named(values, "sslcert") or _found(folder, "postgresql.crt")
    if certificate is None:
        return None, None
    key = _named(values, "sslkey") or _found(folder, "postgresql.key")
    if key is None:
        raise ConfigurationError(f"There is the client certificate {certificate}, and no key: set sslkey to its file.")
    _require_closed(key)
    return certificate, key


def _require_closed(key: Path) -> None:
    """As libpq does: the threat is another user of the machine, who would be the service to the database."""
    found = key.stat()
    open_to_others = stat.S_IRWXG | stat.S_IRWXO
    if found.st_uid == 0:
        open_to_others &= ~stat.S_IRGRP
    if os.name != "nt" and found.st_mode & open_to_others:
        raise ConfigurationError(f"The key {key} can be read by others: `chmod 600` closes it.")


def _text(values: Mapping[str, Value], name: str) -> str | None:
    return values[name].text if name in values else None


def _named(values: Mapping[str, Value], name: str) -> Path | None:
    """Return a file or folder that is named, and has to be there: a typing error must not turn a check off."""
    if name not in values:
        return None
    path, wanted = Path(values[name].text), "folder" if name == "sslcrldir" else "file"
    try:
        is_there = path.is_dir() if wanted == "folder" else path.is_file()
    except OSError:
        is_there = False
    if not is_there:
        raise ConfigurationError(f"{values[name].called} names a {wanted} that is not there, or closed to this user.")
    return path


def _found(folder: Path | None, name: str) -> Path | None:
    try:
        return folder / name if folder and (folder / name).is_file() else None
    except OSError:
        return None


def _state(path: Path | str) -> tuple[str, int, int]:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise UnusableCertificate(f"{path} cannot be read: {error.strerror}") from error
    return str(path), found.st_mtime_ns, found.st_size


class _NamedContext(ssl.SSLContext):
    """Names the server as the address does, also where the connection was made to a number that it stands for."""

    server_name: str | None = None

    def wrap_bio(  # type: ignore[override]  # event loops give these three
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: object = None,  # noqa: ARG002
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name)


@lru_cache(maxsize=16)
def _context(tls: Tls, server_name: str, _states: tuple[tuple[str, int, int], ...]) -> ssl.SSLContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name if tls.names_server and server_name else None
    context.check_hostname = tls.mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if tls.root else ssl.CERT_NONE
    context.minimum_version = _VERSIONS[tls.oldest]
    if tls.newest:
        context.maximum_version = _VERSIONS[tls.newest]
    if ssl.HAS_ALPN:
        context.set_alpn_protocols(["postgresql"])
    _load_authorities(context, tls)
    if tls.certificate:
        try:
            # A password is always given: without one OpenSSL would ask for it on the terminal, and wait.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: tls.key_password)
        except (OSError, ValueError) as error:
            raise UnusableCertificate(
                f"the client certificate {tls.certificate} and its key {tls.key} cannot be used together. "
                "Are they of one pair, and is sslpassword the key's?"
            ) from error
    return context


def _load_authorities(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.root == SYSTEM:
        context.load_default_certs()
    try:
        if tls.root and tls.root != SYSTEM:
            context.load_verify_locations(cafile=tls.root)
        if tls.revoked or tls.revoked_folder:
            context.load_verify_locations(cafile=tls.revoked, capath=tls.revoked_folder)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except OSError as error:
        named = ", ".join(str(each) for each in (tls.root, tls.revoked, tls.revoked_folder) if each)
        raise UnusableCertificate(f"there is no certificate or list in PEM to read in {named}") from error
