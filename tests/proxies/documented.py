"""The proxies' configurations as docs/operating.md has them, with only this test's names, ports and files filled in."""

import re
from pathlib import Path

from tests.docs.documents import read

DOCUMENT = "docs/operating.md"
NAME = "chat.example.org"
_UPSTREAM = "server 10.0.0.11:8000; server 10.0.0.12:8000;"
_LOCATIONS = re.compile(r"^    location .*^    }\n", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Return the document's code blocks in that language."""
    return [block.text for block in read(DOCUMENT).blocks if block.language == language]


def nginx_at_root(service: str, port: int, certificate: Path, key: Path) -> str:
    """Return the server for a host of its own; `service` is where the service listens, `host:port`."""
    server, _ = blocks("nginx")
    return _filled(server, service, port, certificate, key)


def nginx_under_path(service: str, port: int, certificate: Path, key: Path, *, strips: bool) -> str:
    """Return the server for the path /chat/, which takes the prefix off or leaves it on."""
    server, locations = blocks("nginx")
    assert len(_LOCATIONS.findall(server)) == 1
    if not strips:
        locations = _replaced(locations, "proxy_pass http://chatkeep/; ", "proxy_pass http://chatkeep; ")
        locations = _replaced(locations, "http://chatkeep/api/v1/import;", "http://chatkeep;")
    server = _LOCATIONS.sub(lambda _: locations, server)
    return _filled(server, service, port, certificate, key)


def caddy(service: str, port: int, certificate: Path, key: Path) -> str:
    """Return Caddy's file; the certificate is the test's own, since it cannot get one here."""
    (site,) = blocks("caddyfile")
    site = _replaced(site, "10.0.0.11:8000 10.0.0.12:8000", service)
    return _replaced(site, f"{NAME} {{", f"https://{NAME}:{port} {{\n    tls {certificate} {key}")


def _filled(server: str, service: str, port: int, certificate: Path, key: Path) -> str:
    server = _replaced(server, _UPSTREAM, f"server {service};")
    server = _replaced(server, "listen 443 ", f"listen 127.0.0.1:{port} ")
    server = _replaced(server, f"/etc/ssl/{NAME}.pem", str(certificate))
    return _replaced(server, f"/etc/ssl/{NAME}.key", str(key))


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"docs/operating.md has no {old!r}, or several"
    return text.replace(old, new)
