"""Obstacles that will keep people out: told by `chatkeep doctor`, and in the same words at the start."""

import ipaddress

from chatkeep.accounts.queries import AnyRow
from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.interfaces import host_names, in_container, lan_addresses
from chatkeep.config import Settings
from chatkeep.hosts import HostPattern, is_address, is_loopback, parse_host, to_url_host


def look_at_reachability(settings: Settings, findings: Findings, *, port: int | None = None) -> None:
    """Look for names that are refused, and for a cookie that browsers will not keep.

    Args:
        port: where the service listens; None is the one of the settings.
    """
    _look_at_proxied_names(settings, findings)
    _look_at_own_names(settings, findings)
    _look_at_cookie(settings, findings, port or settings.port)


def look_at_administrator(administrator: AnyRow | None, settings: Settings, findings: Findings) -> None:
    """Look whether somebody can let others in.

    Args:
        administrator: what `preferred_administrator` of the accounts' queries returns.
    """
    if administrator is not None and not administrator.disabled:
        findings.ok(Area.ACCOUNTS, "There is an administrator who can sign in.")
    elif administrator is None and settings.admin_password is not None:
        findings.note(
            Area.ACCOUNTS,
            f"There is no administrator yet; the next start makes {settings.admin_username}, with the configured "
            "password.",
        )
    elif administrator is not None:
        findings.warn(
            Area.ACCOUNTS,
            "Nobody can administer: every administrator is disabled.",
            f"chatkeep user enable {administrator.username}",
        )
    else:
        findings.warn(
            Area.ACCOUNTS,
            "Nobody can administer: there is no administrator who can sign in.",
            "chatkeep user create NAME --role admin",
        )


def reachable_addresses(settings: Settings) -> list[str]:
    """Return the addresses of this machine at which other machines reach the service; none in a container."""
    if is_loopback(settings.host) or in_container():
        return []
    if not is_unspecified(settings.host):
        return [settings.host]
    return lan_addresses(ipv6=":" in settings.host)


def needs_https(settings: Settings) -> bool:
    """Tell whether nobody stays signed in at an address of plain http, except on this machine.

    Source: RFC 6265bis, 5.7: a browser drops a cookie that is `Secure` and comes over plain http.
    """
    return sends_secure_cookie(settings) and not is_loopback(settings.host) and not settings.trusted_proxies


def sends_secure_cookie(settings: Settings) -> bool:
    """Tell whether browsers are sent the cookie over https alone.

    Without a key only `serve --local` starts, which sends it over plain http unless told otherwise.
    """
    only_local = not settings.secret_key and "cookie_secure" not in settings.model_fields_set
    return settings.cookie_secure and not only_local


def is_unspecified(host: str) -> bool:
    """Tell whether a service that listens there listens at every address of this machine."""
    return is_address(host) and ipaddress.ip_address(host).is_unspecified


def _look_at_proxied_names(settings: Settings, findings: Findings) -> None:
    if not settings.trusted_proxies or settings.allowed_hosts:
        return
    findings.warn(
        Area.NETWORK,
        "CHATKEEP_TRUSTED_PROXIES is set and CHATKEEP_ALLOWED_HOSTS is not: a proxy that passes on the name in the "
        "browser's address bar is refused.",
        "Set it to that name, such as CHATKEEP_ALLOWED_HOSTS=chat.example.org.",
    )


def _look_at_own_names(settings: Settings, findings: Findings) -> None:
    """An address is allowed where the connection comes in at it; a name has to be listed."""
    if is_loopback(settings.host) or settings.allowed_hosts or settings.trusted_proxies:
        return
    own = HostPattern(parse_host(settings.host))
    if names := [name for name in host_names() if not own.matches(name, None)]:
        findings.note(
            Area.NETWORK,
            f"Browsers are refused at the name{'s' if len(names) > 1 else ''} {' and '.join(names)}; at this "
            "machine's addresses they are not.",
            f"To allow the name: CHATKEEP_ALLOWED_HOSTS={','.join(names)}",
        )
    if in_container():
        findings.note(
            Area.NETWORK,
            "The service seems to run in a container: where its port is published, browsers are refused at the "
            "address of the machine around it, except at localhost.",
            "To allow it: CHATKEEP_ALLOWED_HOSTS=192.168.1.20, with that address. The page that refuses a browser "
            "shows the line.",
        )


def _look_at_cookie(settings: Settings, findings: Findings, port: int) -> None:
    if not needs_https(settings):
        return
    address = next(iter(reachable_addresses(settings)), None)
    place = f"{f':{port}' if port else ''}{settings.root_path}/"
    example = f", such as http://{to_url_host(address)}{place}" if address else ""
    findings.warn(
        Area.NETWORK,
        f"Nobody stays signed in where the page is opened over plain http{example}: browsers keep the session cookie "
        "over https alone.",
        "Put https in front of the service and its address in CHATKEEP_TRUSTED_PROXIES, or set "
        "CHATKEEP_COOKIE_SECURE=false in a network that you trust.",
    )
