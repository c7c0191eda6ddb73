"""Settings that are unsafe by themselves, whatever they reach."""

import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from chatkeep.accounts.browser_cookies import cookie_name
from chatkeep.app.trusted_proxy import trusted_proxy_of
from chatkeep.cli.audit_recorder import another_key_advice
from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.doctor.reachability import look_at_reachability, sends_secure_cookie
from chatkeep.cli.local import secret_file
from chatkeep.cli.running_address import running_address
from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from chatkeep.hosts import is_loopback, to_url_host

ENV_FILE = Path(".env")


def look_at_settings(settings: Settings, findings: Findings) -> None:
    _look_at_signing_keys(settings, findings)
    with findings.noting_failure(Area.ACCOUNTS):
        trusted_proxy_of(settings)
    _look_at_env_file(findings)
    _look_at_network(settings, findings)
    _look_for_temporary_folder(findings)
    look_at_reachability(settings, findings)
    if settings.allow_registration and not is_loopback(settings.host):
        findings.note(
            Area.ACCOUNTS,
            "Anybody who reaches the service can make an account.",
            "Set CHATKEEP_ALLOW_REGISTRATION=false if you do not want that, and make accounts with `chatkeep "
            "user create`.",
        )
    _look_at_place_on_host(settings, findings)


def _look_at_signing_keys(settings: Settings, findings: Findings) -> None:
    try:
        keys = settings.signing_keys()
    except ConfigurationError as error:
        kept = None if settings.secret_key else secret_file(settings)
        if kept is not None:
            findings.note(
                Area.SECRETS,
                f"CHATKEEP_SECRET_KEY is not set: only `chatkeep serve --local` starts, with the secret in {kept}.",
                "Set it before you serve others.",
            )
        else:
            findings.problem(Area.SECRETS, error.detail)
        return
    findings.ok(Area.SECRETS, "The cookies' signing key is long and random.")
    if advice := another_key_advice(settings):
        what, _, remedy = advice.partition(": ")
        findings.warn(Area.SECRETS, f"{what}.", f"{remedy[0].upper()}{remedy[1:]}")
    if len(keys) > 1:
        findings.note(
            Area.SECRETS,
            f"There are {len(keys)} signing keys: the last signs, the others are still accepted.",
            f"When the older ones have been out of use for {_days(settings.session_max_seconds)}, every session that "
            "they signed has ended: remove them.",
        )


def _days(seconds: int) -> str:
    return f"{max(1, round(seconds / 86_400))} days"


def _look_at_env_file(findings: Findings) -> None:
    try:
        mode = ENV_FILE.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        findings.problem(
            Area.SECRETS,
            f"Everybody on this machine can {'read' if mode & stat.S_IROTH else 'write'} {ENV_FILE.resolve()}.",
            f"chmod 600 {ENV_FILE.resolve()}",
        )
    elif os.access(ENV_FILE, os.R_OK):
        findings.ok(Area.SECRETS, f"{ENV_FILE.resolve()} is closed to others.")


def _look_for_temporary_folder(findings: Findings) -> None:
    try:
        tempfile.gettempdir()
    except OSError:
        findings.warn(
            Area.SETTINGS,
            "No folder for temporary files can be written: nobody can import a file.",
            "Mount one at /tmp (docker run --tmpfs /tmp), or name one in TMPDIR.",
        )


def _look_at_network(settings: Settings, findings: Findings) -> None:
    port = f"port {settings.port}" if settings.port else "a free port"
    findings.ok(Area.NETWORK, f"`chatkeep serve` listens on {to_url_host(settings.host)}, {port}.")
    if (address := running_address(settings)) is not None:
        findings.ok(Area.NETWORK, f"The service of this data folder runs at {address}.")
    if not settings.cookie_secure and not is_loopback(settings.host):
        findings.problem(
            Area.NETWORK,
            "The session cookie is also sent over plain http, where anybody on the network can read it.",
            "Put https in front of the service and leave CHATKEEP_COOKIE_SECURE out.",
        )
    if "*" in settings.allowed_hosts:
        findings.warn(
            Area.NETWORK,
            "CHATKEEP_ALLOWED_HOSTS is *: any site can point its own name here, and its pages then talk to the service "
            "as if they were part of it (DNS rebinding).",
            "List the names that the service goes by.",
        )
    for network in settings.trusted_proxies:
        if network.prefixlen == 0:
            findings.problem(
                Area.NETWORK,
                f"CHATKEEP_TRUSTED_PROXIES is {network}: every client may claim any address, and so try passwords "
                "without limit.",
                "List only the addresses of your proxies.",
            )
    if settings.model_api_key and _sends_in_the_clear(settings.model_url):
        findings.warn(
            Area.MODEL,
            "The model server's key and the conversations go to it over plain http.",
            "Use https for CHATKEEP_MODEL_URL.",
        )


def _look_at_place_on_host(settings: Settings, findings: Findings) -> None:
    """Other applications of the same host that share cookies with this one."""
    if settings.root_path:
        findings.ok(Area.NETWORK, f"Browsers find it under {settings.root_path}.")
    if settings.cookie_name == Settings.model_fields["cookie_name"].default:
        name = cookie_name(settings.cookie_name, secure=sends_secure_cookie(settings), path=settings.root_path or "/")
        findings.note(
            Area.NETWORK,
            f"The cookie is called {name}, and cookies ignore ports: another application on this host "
            "that has a cookie of the same name can sign people out.",
            "Set CHATKEEP_COOKIE_NAME, for example to chatkeep, if there is one.",
        )


def _sends_in_the_clear(url: str | None) -> bool:
    if url is None:
        return False
    address = urlsplit(url)
    return address.scheme == "http" and not is_loopback(address.hostname or "")
