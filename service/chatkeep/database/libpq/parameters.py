"""The parameters of libpq: their names, the environment variables that stand in for them, and the values they take.

Source: PostgreSQL manual 34.1.2, Parameter Key Words, and 34.15, Environment Variables.
"""

import difflib
import re
from collections.abc import Mapping

from chatkeep.errors import ConfigurationError

SETTING = "CHATKEEP_DATABASE_URL"

# Each parameter, and the variable that is read where the address leaves it out. None: there is no such variable.
VARIABLES: Mapping[str, str | None] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "require_auth": "PGREQUIREAUTH",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "client_encoding": "PGCLIENTENCODING",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
    "fallback_application_name": None,
    "keepalives": None,
    "keepalives_idle": None,
    "keepalives_interval": None,
    "keepalives_count": None,
    "tcp_user_timeout": None,
    "replication": None,
    "gssencmode": "PGGSSENCMODE",
    "gssdelegation": "PGGSSDELEGATION",
    "gsslib": "PGGSSLIB",
    "krbsrvname": "PGKRBSRVNAME",
    "sslmode": "PGSSLMODE",
    "requiressl": "PGREQUIRESSL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslpassword": None,
    "sslcertmode": "PGSSLCERTMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslsni": "PGSSLSNI",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "max_protocol_version": "PGMAXPROTOCOLVERSION",
    "requirepeer": "PGREQUIREPEER",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "scram_client_key": None,
    "scram_server_key": None,
    "oauth_issuer": None,
    "oauth_client_id": None,
    "oauth_client_secret": None,
    "oauth_scope": None,
    "sslkeylogfile": None,
}

SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SESSION_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")

# The values of those that take one of a few.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "sslcompression": ("0", "1"),
    "sslcertmode": ("disable", "allow", "require"),
    "sslsni": ("0", "1"),
    "requiressl": ("0", "1"),
    "keepalives": ("0", "1"),
    "ssl_min_protocol_version": TLS_VERSIONS,
    "ssl_max_protocol_version": TLS_VERSIONS,
    "min_protocol_version": ("3.0", "3.2", "latest"),
    "max_protocol_version": ("3.0", "3.2", "latest"),
    "channel_binding": ("disable", "prefer", "require"),
    "target_session_attrs": SESSION_ATTRIBUTES,
    "load_balance_hosts": ("disable", "random"),
    "gssencmode": ("disable", "prefer", "require"),
    "gssdelegation": ("0", "1"),
    "gsslib": ("gssapi", "sspi"),
}

# Values that would promise what the driver cannot do. A protection that is asked for and silently left out is worse
# than a refusal.
_UNABLE: Mapping[tuple[str, str], str] = {
    ("channel_binding", "require"): (
        "the driver has no SCRAM-SHA-256-PLUS. Say channel_binding=prefer, and sslmode=verify-full, which proves by "
        "its certificate that the server is the right one."
    ),
    ("gssencmode", "require"): "the driver has no GSSAPI encryption. Use TLS: sslmode=verify-full.",
    ("gssdelegation", "1"): "the driver does not delegate GSS credentials. Leave it out.",
    ("sslcertmode", "require"): "the driver does not tell whether the server asked for the certificate. Leave it out.",
    ("min_protocol_version", "3.2"): "the driver speaks version 3.0. Leave it out.",
    ("min_protocol_version", "latest"): "the driver speaks version 3.0. Leave it out.",
}
_NEVER: Mapping[str, str] = {
    "require_auth": "the driver takes the server's choice. Use sslmode=verify-full, and leave require_auth out.",
    "requirepeer": "the driver does not ask whose the socket is. Leave it out.",
    **dict.fromkeys(("scram_client_key", "scram_server_key"), "the driver signs in with a password. Use password."),
    **dict.fromkeys(
        ("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
        "the driver has no OAuth. Use a password or a certificate.",
    ),
    "sslkeylogfile": "the driver does not write the keys of a connection. Leave it out.",
    "replication": "the service needs an ordinary connection. Leave it out.",
}

# As libpq names parameters: with a capital or a digit it is sooner a piece of a password.
_NAME = re.compile(r"[a-z_]{1,40}")


def label(name: str, variable: str | None = None) -> str:
    """Return a parameter's name in an error: by where it was given."""
    return variable or f"The parameter {name} of {SETTING}"


def refuse_unknown(name: str, *, nameable: bool) -> None:
    """Refuse a parameter that there is not.

    Args:
        nameable: it cannot be a piece of a password that was not percent-encoded.

    Raises:
        ConfigurationError: libpq knows no parameter of that name.
    """
    if name in VARIABLES:
        return
    if not nameable or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{SETTING} holds an unknown parameter. It is not shown, since it may be a piece of a password: "
            "there, characters such as & = / ? @ are percent-encoded (%26 %3D %2F %3F %40)."
        )
    alike = difflib.get_close_matches(name, VARIABLES, n=1)
    advice = f"Did you mean {alike[0]}?" if alike else "Leave it out; libpq's parameters are understood."
    raise ConfigurationError(f"Unknown parameter {name} in {SETTING}. {advice}")


def require_sensible(name: str, value: str, called: str) -> None:
    """Refuse a value that is none, or that cannot be kept. The value is not shown.

    Raises:
        ConfigurationError: the value is none of the choices, or this service cannot do it.
    """
    choices = CHOICES.get(name)
    if choices and value not in choices:
        raise ConfigurationError(f"{called} must be one of {', '.join(choices)}.")
    reason = _NEVER.get(name) or _UNABLE.get((name, value))
    if reason:
        shown = f"{called} is {value}, which" if choices else f"{called}"
        raise ConfigurationError(f"{shown} cannot be kept: {reason}")
    if name == "client_encoding" and value.lower().replace("-", "") not in ("utf8", "unicode", "auto"):
        raise ConfigurationError(f"{called} has to be UTF8: the service speaks nothing else.")
