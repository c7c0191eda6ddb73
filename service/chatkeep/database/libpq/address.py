"""The address of a database, read once: everything that is known before a connection is opened."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

from chatkeep.database.libpq.hosts import SOCKET_FOLDERS, Host, is_default, read_hosts
from chatkeep.database.libpq.parameters import SECRETS, SETTING, VARIABLES
from chatkeep.database.libpq.passwords import PASSWORD_FILE, password_in, require_closed
from chatkeep.database.libpq.sources import Value, fill_parameters, home_folder, number
from chatkeep.database.libpq.text import HINT, parameters_of, uri_of
from chatkeep.database.libpq.tls import Tls, read_tls
from chatkeep.errors import ConfigurationError


@dataclass(frozen=True)
class Keepalive:
    """When the operating system finds out that the other side is gone; None leaves its own times.

    Args:
        user_timeout_milliseconds: how long sent data may stay unacknowledged.
    """

    on: bool = True
    idle_seconds: int | None = None
    interval_seconds: int | None = None
    count: int | None = None
    user_timeout_milliseconds: int | None = None


@dataclass(frozen=True)
class DatabaseAddress:
    """The parameters of an address, its service's file and the environment together. Its repr holds no secret.

    Args:
        hosts: tried one after the other.
        given: what the address itself says, by libpq's names.
        connect_timeout_seconds: for each host; None: as long as the caller has.
    """

    hosts: tuple[Host, ...]
    user: str
    database: str
    tls: Tls
    password: str | None = field(repr=False)
    given: Mapping[str, str] = field(repr=False)
    password_file: Path | None = None
    application_name: str | None = None
    options: str | None = None
    connect_timeout_seconds: float | None = None
    session_attributes: str = "any"
    at_random: bool = False
    keepalive: Keepalive = Keepalive()
    channel_binding: str = "prefer"
    kerberos_service: str | None = None

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] | None = None) -> Self:
        """Read an address, as a URI or in libpq's `keyword=value` form.

        Args:
            environment: where `PG…` variables say what the address leaves out; None: the process's own.

        Raises:
            ConfigurationError: names the fault, and quotes neither the address nor a value of it.
        """
        environment = os.environ if environment is None else environment
        given = parameters_of(text)
        values = fill_parameters(given, environment)
        if "dbname" not in values:
            raise ConfigurationError(f"{HINT} The database is missing.")
        timeout = number(values, "connect_timeout")
        return cls(
            hosts=read_hosts(values),
            user=values["user"].text if "user" in values else _own_name(environment),
            database=values["dbname"].text,
            tls=read_tls(values, environment),
            password=_text(values, "password"),
            given=given,
            password_file=_password_file(values, environment),
            application_name=_text(values, "application_name") or _text(values, "fallback_application_name"),
            options=_text(values, "options"),
            connect_timeout_seconds=timeout if timeout and timeout > 0 else None,
            session_attributes=_text(values, "target_session_attrs") or "any",
            at_random=_text(values, "load_balance_hosts") == "random",
            keepalive=_keepalive(values),
            channel_binding=_text(values, "channel_binding") or "prefer",
            kerberos_service=_text(values, "krbsrvname"),
        )

    @property
    def shown(self) -> str:
        """The address for people and logs: in one form, with neither its password nor its key's."""
        secret = ":***" if self.password else ""
        hosts = [] if is_default(self.hosts) else self.hosts
        authority = ",".join(each.in_address(with_port=bool(self.given.get("port"))) for each in hosts)
        shown = f"postgresql://{quote(self.user, safe='')}{secret}@{authority}/{quote(self.database, safe='')}"
        rest = {
            name: value
            for name, value in self.given.items()
            if value and name not in SECRETS | {"host", "port", "user", "dbname"}
        }
        return shown + ("?" + "&".join(f"{name}={quote(rest[name], safe='/,:')}" for name in rest) if rest else "")

    @property
    def is_on_this_machine(self) -> bool:
        """Whether every host is a socket or a loopback address; a name but localhost may be anywhere."""
        return all(each.is_on_this_machine for each in self.hosts)

    @property
    def has_only_sockets(self) -> bool:
        return all(each.socket for each in self.hosts)

    @property
    def tls_is_certain(self) -> bool:
        """Whether no connection is opened without TLS."""
        return self.tls.is_required and not self.has_only_sockets

    @property
    def startup_settings(self) -> dict[str, str]:
        """The settings that the server is told at once, where the address says them."""
        named = {"application_name": self.application_name, "options": self.options}
        return {name: value for name, value in named.items() if value}

    @property
    def option_names(self) -> tuple[str, ...]:
        """The names of the settings in `options`: `-c name=value`, `-cname=value` or `--name=value`."""
        # A space in a value is written with a backslash before it.
        words = re.findall(r"(?:\\.|\S)+", self.options or "")
        given = re.findall(r"(?:^|\s)(?:-c\s*|--)([\w.-]+)=", " ".join(words))
        return tuple(dict.fromkeys(name.replace("-", "_") for name in given))

    def for_writing(self) -> Self:
        """Return the address for a service that writes: of several hosts, whose kind is left open, the primary."""
        if len(self.hosts) > 1 and self.session_attributes == "any" and "target_session_attrs" not in self.given:
            return replace(self, session_attributes="primary")
        return self

    def password_for(self, host: Host) -> str | None:
        """Return the password for one of the hosts: the address's, or the password file's."""
        if self.password is not None:
            return self.password
        if self.password_file is None:
            return None
        name = "localhost" if host.socket in SOCKET_FOLDERS else host.name or host.number
        return password_in(self.password_file, name, host.port, self.database, self.user)


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server, with all of its secrets."""
    return uri_of(parameters_of(url) | {"dbname": name})


def standby_url(url: str) -> str:
    """Return the address of a standby: of several hosts, whose kind is left open, those that are standbys."""
    address = DatabaseAddress.parse(url)
    if len(address.hosts) > 1 and address.session_attributes == "any" and "target_session_attrs" not in address.given:
        return uri_of(parameters_of(url) | {"target_session_attrs": "standby"})
    return url


def complete_url(url: str) -> str:
    """Return an address in which every parameter is given: `PG…` variables change nothing of it."""
    return uri_of(dict.fromkeys((name for name, variable in VARIABLES.items() if variable), "") | parameters_of(url))


def shown_url(url: str) -> str:
    """Return an address for people and logs. Errors: as `DatabaseAddress.parse`."""
    return DatabaseAddress.parse(url).shown


def _keepalive(values: Mapping[str, Value]) -> Keepalive:
    def positive(name: str) -> int | None:
        found = number(values, name)
        return found if found and found > 0 else None

    return Keepalive(
        on=_text(values, "keepalives") != "0",
        idle_seconds=positive("keepalives_idle"),
        interval_seconds=positive("keepalives_interval"),
        count=positive("keepalives_count"),
        user_timeout_milliseconds=positive("tcp_user_timeout"),
    )


def _password_file(values: Mapping[str, Value], environment: Mapping[str, str]) -> Path | None:
    if "password" in values:
        return None
    if "passfile" in values:
        file = Path(values["passfile"].text)
        require_closed(file, values["passfile"].called)
        return file
    home = home_folder(environment)
    return home / PASSWORD_FILE if home else None


def _own_name(environment: Mapping[str, str]) -> str:
    """Return the operating system's name of this user. Containers run as user ids that have no name."""
    try:
        import pwd  # noqa: PLC0415  not on Windows

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        name = environment.get("LOGNAME") or environment.get("USER") or environment.get("USERNAME")
    if not name:
        raise ConfigurationError(
            f"{SETTING} names no user, and this process's user has no name: write it as user@host."
        )
    return name


def _text(values: Mapping[str, Value], name: str) -> str | None:
    return values[name].text if name in values else None
