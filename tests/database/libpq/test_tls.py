"""Every `sslmode` against a real server with TLS and one without, and what a server and a client have to prove."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import uvloop
from asyncpg import PostgresError
from sqlalchemy import text

from chatkeep.database.database import Database
from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.connection import open_connection
from chatkeep.database.libpq.reasons import words_of
from chatkeep.errors import ConfigurationError, DatabaseUnavailable
from tests.support.tls import KEY_PASSWORD, PASSWORD, Certificates, Server

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
SECRET = quote(PASSWORD, safe="")


async def reached(url: str, environment: dict[str, str] | None = None) -> str:
    """Return how one gets in: over TLS, in the clear, or not at all and why."""
    address = DatabaseAddress.parse(url, environment or {})
    try:
        connection = await open_connection(address, timeout_seconds=30)
    except (OSError, PostgresError) as error:
        return words_of(error)
    try:
        return "over TLS" if await connection.fetchval(ENCRYPTED) else "in the clear"
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("mode", "with_tls", "without"),
    [
        ("disable", "in the clear", "in the clear"),
        ("allow", "in the clear", "in the clear"),
        ("prefer", "over TLS", "in the clear"),
        ("require", "over TLS", "it does not speak TLS, which sslmode=require asks for"),
        ("verify-ca", "over TLS", "it does not speak TLS, which sslmode=verify-ca asks for"),
        ("verify-full", "over TLS", "it does not speak TLS, which sslmode=verify-full asks for"),
    ],
)
async def test_each_mode_means_what_libpq_means(
    tls_server: Server, plain_server: Server, certificates: Certificates, mode: str, with_tls: str, without: str
) -> None:
    root = {"sslrootcert": certificates.path("ca.crt")} if mode.startswith("verify") else {}
    assert await reached(tls_server.url(sslmode=mode, **root)) == with_tls
    assert await reached(plain_server.url(sslmode=mode, **root)) == without


async def test_without_a_mode_tls_is_preferred(tls_server: Server, plain_server: Server) -> None:
    assert await reached(tls_server.url()) == "over TLS"
    assert await reached(plain_server.url()) == "in the clear"


async def test_allow_and_prefer_take_the_other_way_where_the_server_lets_nobody_in_by_the_first(
    tls_server: Server,
) -> None:
    assert await reached(tls_server.url(f"tls_only:{SECRET}", sslmode="allow")) == "over TLS"
    assert "no encryption" in await reached(tls_server.url(f"tls_only:{SECRET}", sslmode="disable"))
    assert await reached(tls_server.url("plain_only", sslmode="prefer")) == "in the clear"
    assert "SSL encryption" in await reached(tls_server.url("plain_only", sslmode="require"))


async def test_a_wrong_password_is_said_and_not_tried_in_the_clear(tls_server: Server) -> None:
    for mode in ("prefer", "require"):
        said = await reached(tls_server.url("tls_only:wrong", sslmode=mode))
        assert said == 'password authentication failed for user "tls_only"'


async def test_a_password_that_the_server_asks_for_and_the_address_lacks_is_said(tls_server: Server) -> None:
    assert "password" in await reached(tls_server.url("tls_only", sslmode="require"))


async def test_the_server_proves_that_it_is_the_right_one(tls_server: Server, certificates: Certificates) -> None:
    ours, other = certificates.path("ca.crt"), certificates.path("other.crt")
    assert await reached(tls_server.url(sslmode="verify-ca", sslrootcert=ours, host="127.0.0.1")) == "over TLS"
    wrong_name = await reached(tls_server.url(sslmode="verify-full", sslrootcert=ours, host="127.0.0.1"))
    assert "does not prove that it is the right server" in wrong_name
    assert "127.0.0.1" in wrong_name
    for mode in ("require", "verify-ca", "verify-full"):  # with a file of authorities `require` verifies, too
        assert "does not prove that it is the right server" in await reached(
            tls_server.url(sslmode=mode, sslrootcert=other)
        )
    assert await reached(tls_server.url(sslmode="require")) == "over TLS"


async def test_the_name_that_a_number_stands_for_is_the_one_that_is_proved(
    tls_server: Server, certificates: Certificates
) -> None:
    root = {"sslmode": "verify-full", "sslrootcert": certificates.path("ca.crt"), "hostaddr": "127.0.0.1"}
    assert await reached(tls_server.url(host="localhost", **root)) == "over TLS"
    assert "right server" in await reached(tls_server.url(host="db.example.org", **root))


async def test_the_authorities_of_the_machine_are_trusted_where_they_are_asked_for(
    tls_server: Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.path("ca.crt"))
    assert await reached(tls_server.url(sslrootcert="system")) == "over TLS"
    assert "right server" in await reached(tls_server.url(sslrootcert="system", host="127.0.0.1"))
    with pytest.raises(ConfigurationError, match="sslmode=verify-full"):
        DatabaseAddress.parse(tls_server.url(sslrootcert="system", sslmode="require"))


async def test_a_revoked_certificate_is_refused(tls_server: Server, certificates: Certificates) -> None:
    root = {"sslmode": "verify-full", "sslrootcert": certificates.path("ca.crt")}
    assert await reached(tls_server.url(**root, sslcrl=certificates.path("none.crl"))) == "over TLS"
    assert "revoked" in await reached(tls_server.url(**root, sslcrl=certificates.path("server.crl")))


async def test_a_client_proves_itself_by_a_certificate(tls_server: Server, certificates: Certificates) -> None:
    own = {"sslmode": "require", "sslcert": certificates.path("client.crt")}
    assert await reached(tls_server.url("certified", **own, sslkey=certificates.path("client.key"))) == "over TLS"
    locked = {**own, "sslkey": certificates.path("locked.key"), "sslpassword": quote(KEY_PASSWORD)}
    assert await reached(tls_server.url("certified", **locked)) == "over TLS"
    assert "certificate" in await reached(tls_server.url("certified", sslmode="require"))
    refused = await reached(tls_server.url("certified", **{**locked, "sslpassword": "Xk9Wb"}))
    assert "is sslpassword the key's?" in refused
    assert "Xk9Wb" not in refused


async def test_files_at_home_are_found_as_libpq_finds_them(
    tls_server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    for source, name in (("client.crt", "postgresql.crt"), ("client.key", "postgresql.key"), ("ca.crt", "root.crt")):
        shutil.copy(certificates.path(source), folder / name)
    (folder / "postgresql.key").chmod(0o600)
    home = {"HOME": str(tmp_path)}
    assert await reached(tls_server.url("certified", sslmode="verify-full"), home) == "over TLS"
    shutil.copy(certificates.path("other.crt"), folder / "root.crt")
    assert "right server" in await reached(tls_server.url(sslmode="require"), home)
    (folder / "postgresql.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        await reached(tls_server.url("certified", sslmode="require"), home)


async def test_a_certificate_that_is_renewed_is_read_again(
    tls_server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    root = tmp_path / "root.crt"
    shutil.copy(certificates.path("other.crt"), root)
    address = DatabaseAddress.parse(tls_server.url(sslmode="verify-full", sslrootcert=str(root)), {})
    with pytest.raises(OSError, match="certificate verify failed"):
        await open_connection(address, timeout_seconds=30)
    shutil.copy(certificates.path("ca.crt"), root)
    await (await open_connection(address, timeout_seconds=30)).close()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"sslmode": "verify-full"}, "sslrootcert=/path/to/ca.crt"),
        ({"sslmode": "verify"}, "disable, allow, prefer, require, verify-ca, verify-full"),
        ({"sslmode": "require", "sslrootcert": "/nowhere.crt"}, "names a file that is not there"),
        ({"sslmode": "require", "sslcert": "/nowhere.crt"}, "names a file that is not there"),
        ({"sslmode": "verify-full", "sslsni": "0", "sslrootcert": "/etc/passwd"}, "needs the server's name"),
        ({"sslmode": "require", "ssl_min_protocol_version": "SSLv3"}, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"),
        ({"ssl_max_protocol_version": "TLSv1.1"}, "below the oldest version"),
        ({"sslnegotiation": "direct"}, "sslmode=require"),
        ({"channel_binding": "require"}, "SCRAM-SHA-256-PLUS"),
        ({"gssencmode": "require"}, "no GSSAPI encryption"),
        ({"require_auth": "scram-sha-256"}, "leave require_auth out"),
        ({"requirepeer": "postgres"}, "Leave it out"),
        ({"sslcertmode": "require"}, "Leave it out"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_sentence(parameters: dict[str, str], said: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    with pytest.raises(ConfigurationError, match=said):
        DatabaseAddress.parse(f"postgresql://me@localhost/chat?{query}", {})


async def test_a_file_that_holds_no_certificate_is_named(tls_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("nothing of the kind")
    said = await reached(tls_server.url(sslmode="verify-ca", sslrootcert=str(file)))
    assert said == f"there is no certificate or list in PEM to read in {file}"


async def test_a_certificate_that_is_gone_later_is_not_passed_over(
    tls_server: Server, certificates: Certificates, tmp_path: Path
) -> None:
    root = tmp_path / "root.crt"
    shutil.copy(certificates.path("ca.crt"), root)
    address = DatabaseAddress.parse(tls_server.url(sslmode="require", sslrootcert=str(root)), {})
    await (await open_connection(address, timeout_seconds=30)).close()
    root.unlink()
    with pytest.raises(ConnectionError, match="cannot be read"):
        await open_connection(address, timeout_seconds=30)


async def test_versions_of_tls_are_held_to(tls_server: Server) -> None:
    connection = await open_connection(
        DatabaseAddress.parse(tls_server.url(sslmode="require", ssl_max_protocol_version="TLSv1.2"), {})
    )
    try:
        version = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await connection.fetchval(version) == "TLSv1.2"
    finally:
        await connection.close()


async def test_channel_binding_is_preferred_and_done_without(tls_server: Server) -> None:
    url = tls_server.url(f"tls_only:{SECRET}", sslmode="require", channel_binding="prefer")
    assert await reached(url) == "over TLS"


async def test_a_socket_needs_no_tls(tls_server: Server) -> None:
    url = f"postgresql://postgres@{quote(str(tls_server.folder), safe='')}:{tls_server.port}/postgres?sslmode=require"
    assert await reached(url) == "in the clear"


async def test_the_event_loop_of_the_service_does_the_same(tls_server: Server, certificates: Certificates) -> None:
    root = {"sslmode": "verify-full", "sslrootcert": certificates.path("ca.crt"), "hostaddr": "127.0.0.1"}
    for host, how in (("localhost", "over TLS"), ("db.example.org", "right server")):
        assert how in await asyncio.to_thread(uvloop.run, reached(tls_server.url(host=host, **root)))


async def test_both_pools_go_over_tls(tls_server: Server) -> None:
    database = await Database.connect(tls_server.url(f"tls_only:{SECRET}", sslmode="require"), pool_size=2)
    try:
        async with database.transaction() as connection:
            assert await connection.scalar(text(ENCRYPTED))
        async with database._pool.acquire() as hot:
            assert await hot.fetchval(ENCRYPTED)
    finally:
        await database.close()


async def test_why_a_database_cannot_be_used_is_said_without_the_password(plain_server: Server) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not speak TLS, which sslmode=require asks for") as refused:
        await Database.connect(plain_server.url(f"tls_only:{SECRET}", sslmode="require"))
    assert SECRET not in refused.value.detail
    assert PASSWORD not in refused.value.detail
    assert "postgresql://tls_only:***@localhost" in refused.value.detail
