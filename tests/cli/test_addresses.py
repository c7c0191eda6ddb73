"""The database's address, through every command that is given one: the same meaning, one sentence, no secret."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import asyncpg
import httpx2
import pytest

from chatkeep.cli.main import COMMANDS
from chatkeep.database.backups import programs
from chatkeep.errors import BackupError
from tests.cli.command_runner import ROOT, SECRET_KEY, Command, Ran
from tests.database.libpq.test_text import PIECES
from tests.support.process import serving
from tests.support.tls import KEY_PASSWORD, PASSWORD, Certificates, Server

SECRET = quote(PASSWORD, safe="")
TYPED = ("/", "@", "%", ":", "#", "?", "/@", "@/", "?/", "#@", "&=", "'")

# Each command that opens the database, with what it takes.
OPENING = (
    ("db", "upgrade"),
    ("db", "downgrade", "base", "--yes"),
    ("db", "current"),
    ("db", "check"),
    ("user", "list"),
    ("user", "hold", "alice"),
    ("token", "list", "alice"),
    ("history",),
    ("stats",),
    ("retention", "--dry-run"),
    ("retention", "run"),
    ("audit", "list"),
    ("audit", "verify"),
    ("export", "--user", "alice"),
    ("import", "history.jsonl", "--user", "alice"),
    ("search", "reindex"),
    ("backup", "a.backup"),
    ("restore", "a.backup"),
    ("doctor",),
    ("serve", "--port", "0"),
    ("serve", "--port", "0", "--migrate"),
)


@pytest.fixture
async def chats(tls_server: Server) -> AsyncIterator[str]:
    """The name of an empty database on the server with TLS, that `tls_only` and `certified` may use."""
    connection = await asyncpg.connect(host=str(tls_server.folder), port=tls_server.port, user="postgres", ssl=False)
    await connection.execute("CREATE DATABASE chats OWNER tls_only")
    yield "chats"
    await connection.execute("DROP DATABASE chats WITH (FORCE)")
    await connection.close()


def address(server: Server, user: str, database: str, **parameters: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"postgresql://{user}@localhost:{server.port}/{database}?{query}"


@pytest.fixture
def tried(bare_chatkeep: Command) -> Command:
    """The command, with all that it needs but a database."""
    bare_chatkeep.settings["CHATKEEP_SECRET_KEY"] = SECRET_KEY
    bare_chatkeep.settings["CHATKEEP_RETENTION_DAYS"] = '{"user": 365}'
    (bare_chatkeep.folder / "history.jsonl").touch()
    (bare_chatkeep.folder / "a.backup").touch()
    return bare_chatkeep


@pytest.fixture
def over_tls(tried: Command, tls_server: Server, certificates: Certificates, chats: str) -> Command:
    """The command, with the database of a provider: TLS and nothing else, and a password with signs in it."""
    root = {"sslmode": "verify-full", "sslrootcert": certificates.path("ca.crt")}
    tried.settings["CHATKEEP_DATABASE_URL"] = address(tls_server, f"tls_only:{SECRET}", chats, **root)
    return tried


def assert_tells_no_secret(ran: Ran) -> None:
    said = ran.out + ran.err
    assert not any(piece in said for piece in PIECES), said


def test_every_command_of_the_program_is_tried() -> None:
    assert {each[0] for each in OPENING} == set(COMMANDS) - {"demo-data"}


async def test_everything_works_over_tls(over_tls: Command) -> None:
    assert (await over_tls("db", "upgrade")).code == 0
    assert (await over_tls("db", "check")).code == 0
    made = await over_tls("user", "create", "alice", "--password-stdin", stdin="a long enough password\n")
    assert made.code == 0, made.err
    backup = await over_tls("backup", "b.backup")
    assert backup.code == 0, backup.err
    restored = await over_tls("restore", "b.backup", "--replace")
    assert restored.code == 0, restored.err
    assert "alice" in (await over_tls("user", "list")).out
    doctor = await over_tls("doctor", "--json")
    assert "unencrypted" not in doctor.out
    assert "tls_only:***@localhost" in doctor.out


async def test_every_worker_serves_over_tls(over_tls: Command, tls_server: Server) -> None:
    url = over_tls.settings["CHATKEEP_DATABASE_URL"]
    async with serving(over_tls.folder, "--migrate", database_url=url, workers=2) as service:
        async with httpx2.AsyncClient(verify=False) as client:
            answer = await client.get(f"{service.url}/readyz")
        assert answer.status_code == 200, answer.text
        watching = await asyncpg.connect(
            host=str(tls_server.folder), port=tls_server.port, user="postgres", database="postgres", ssl=False
        )
        rows = await watching.fetch(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tls_only'"
        )
        await watching.close()
        assert rows
        assert all(row["ssl"] for row in rows)
        assert not any(piece in service.log for piece in (PASSWORD, SECRET))


async def test_a_client_certificate_with_a_locked_key_makes_backups_too(
    over_tls: Command, tls_server: Server, certificates: Certificates, chats: str
) -> None:
    assert (await over_tls("db", "upgrade")).code == 0
    files = {"sslcert": "client.crt", "sslkey": "locked.key", "sslrootcert": "ca.crt"}
    own = {name: certificates.path(file) for name, file in files.items()} | {"sslpassword": quote(KEY_PASSWORD)}
    connection = await asyncpg.connect(
        host=str(tls_server.folder), port=tls_server.port, user="postgres", database=chats, ssl=False
    )
    await connection.execute("GRANT pg_read_all_data TO certified")
    await connection.close()
    url = address(tls_server, "certified", chats, sslmode="verify-full", **own)
    ran = await over_tls("backup", "c.backup", CHATKEEP_DATABASE_URL=url)
    assert ran.code == 0, ran.err
    shown = await over_tls("doctor", "--settings", CHATKEEP_DATABASE_URL=url)
    assert "Zq7Jx" not in shown.out + shown.err


def embedded_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the embedded server's, which are built without TLS."""
    from chatkeep.database.postgres.binaries import _package_folders

    folders = _package_folders()
    if not folders:
        pytest.skip("the embedded server is not installed")
    monkeypatch.setattr(programs, "program_folders", lambda *_: folders)


async def test_programs_that_do_not_speak_tls_make_no_backup_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    embedded_programs(monkeypatch)
    assert await asyncio.to_thread(programs.find_backup_programs, 15, None)
    with pytest.raises(BackupError, match="no pg_dump of version 15 or newer here speaks TLS"):
        await asyncio.to_thread(programs.find_backup_programs, 15, None, encrypted=True)


async def test_programs_that_speak_tls_are_chosen_over_it(tls_server: Server) -> None:
    found = await asyncio.to_thread(programs.find_backup_programs, 15, None, encrypted=True)
    assert "pixeltable" not in str(found.folder)


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
async def test_without_tls_where_it_is_asked_for_each_command_says_so(
    tried: Command, plain_server: Server, command: tuple[str, ...]
) -> None:
    url = address(plain_server, f"tls_only:{SECRET}", "postgres", sslmode="require")
    ran = await tried(*command, CHATKEEP_DATABASE_URL=url)
    assert ran.code != 0
    assert "does not speak TLS, which sslmode=require asks for" in ran.out + ran.err
    assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
async def test_a_password_as_it_is_typed_is_shown_by_no_command(tried: Command, command: tuple[str, ...]) -> None:
    for place, sign in enumerate(TYPED):
        password = sign.join(PIECES)
        host = f"nowhere.invalid:{place + 1}"
        given = f"postgresql://me:{password}@{host}/chats"
        if place % 2:
            ran = await tried(*command, "--database-url", given)
        else:
            ran = await tried(*command, CHATKEEP_DATABASE_URL=given)
        assert ran.code != 0
        assert_tells_no_secret(ran)
        expected = "percent-encoded" if set(sign) & set("/@%") else "nowhere.invalid"
        assert expected in ran.out + ran.err


ODD = (
    "postgresql://",
    "postgresql://h",
    "postgresql://h:port/x",
    "postgresql://[::1/x",
    "postgresql://a..b/x",
    "postgresql://me@nowhere.invalid,127.0.0.1:1/x",
    "postgresql://me@127.0.0.1:1/x?foo=bar",
    "postgresql://me@127.0.0.1:1/x?sslmode=maybe",
    "postgresql://me@127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/etc/passwd",
    "postgresql://me@127.0.0.1:1/x?connect_timeout=soon",
    "postgresql://me@%2Fnowhere/x",
    "postgresql://me@%FF/x",
    "host=127.0.0.1 port=1 dbname=x user=me",
    "host=127.0.0.1 port",
    "mysql://me@h/x",
    "sqlite:///chats.db",
    "https://h/x",
)


@pytest.mark.parametrize("url", ODD)
async def test_no_address_ends_in_a_traceback(bare_chatkeep: Command, url: str) -> None:
    for command in (("db", "check"), ("doctor",)):
        ran = await bare_chatkeep(*command, CHATKEEP_DATABASE_URL=url)
        assert ran.code == 1
        assert "Traceback" not in ran.out
        assert ran.out + ran.err


async def alembic(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head"],
        capture_output=True,
        check=False,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin", "CHATKEEP_DATABASE_URL": url},
    )


async def test_alembic_alone_reads_the_same_address(over_tls: Command) -> None:
    done = await alembic(over_tls.settings["CHATKEEP_DATABASE_URL"], over_tls.folder)
    assert done.returncode == 0, done.stderr
    assert (await over_tls("db", "check")).code == 0


# Loaded anew for each, which takes a second; the commands read the same ones in the same way.
OTHERS = [pytest.param(url, marks=pytest.mark.long) for url in ODD if url not in ODD[::4]]


@pytest.mark.parametrize("url", [*ODD[::4], *OTHERS, "postgresql://me:Zq7Jx@Xk9Wb/Vw3Np@127.0.0.1:1/x"])
async def test_alembic_alone_ends_in_a_sentence(tmp_path: Path, url: str) -> None:
    done = await alembic(url, tmp_path)
    assert done.returncode != 0
    assert "FAILED: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not any(piece in done.stdout + done.stderr for piece in PIECES)


async def test_variables_of_libpq_complete_the_address_in_every_command(
    over_tls: Command, tls_server: Server, certificates: Certificates, chats: str
) -> None:
    variables = {
        "CHATKEEP_DATABASE_URL": f"postgresql:///{chats}",
        "PGHOST": "localhost",
        "PGPORT": str(tls_server.port),
        "PGUSER": "tls_only",
        "PGPASSWORD": PASSWORD,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": certificates.path("ca.crt"),
    }
    for command in (("db", "upgrade"), ("db", "check"), ("backup", "d.backup")):
        ran = await over_tls(*command, **variables)
        assert ran.code == 0, ran.err


async def test_variables_of_libpq_change_nothing_of_the_embedded_server(bare_chatkeep: Command) -> None:
    variables = {"PGHOST": "nowhere.invalid", "PGHOSTADDR": "192.0.2.1", "PGSSLMODE": "require", "PGSERVICE": "none"}
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        for command in (("db", "upgrade"), ("backup", "a.backup")):
            ran = await bare_chatkeep(*command, "--data-dir", folder, **variables)
            assert ran.code == 0, ran.err


async def test_either_name_of_the_setting_is_read(bare_chatkeep: Command) -> None:
    for name in ("DATABASE_URL", "CHATKEEP_DATABASE_URL"):
        ran = await bare_chatkeep("db", "check", **{name: "postgresql://me@nowhere.invalid/x"})
        assert "postgresql://me@nowhere.invalid/x: there is no host of that name" in ran.err
    both = {
        "CHATKEEP_DATABASE_URL": "postgresql://me@first.invalid/x",
        "DATABASE_URL": "postgresql://me@second.invalid/x",
    }
    assert "first.invalid" in (await bare_chatkeep("db", "check", **both)).err
    both["CHATKEEP_DATABASE_URL"] = ""
    assert "second.invalid" in (await bare_chatkeep("db", "check", **both)).err
