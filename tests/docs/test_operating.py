"""docs/operating.md as somebody follows it who runs the service for others."""

import json
import re
import shlex
import zipfile
from pathlib import Path

import httpx2
import pytest

from tests.docs.claims import runs
from tests.docs.documents import Block
from tests.docs.shell import ADMIN_PASSWORD, DATABASE_URL, ENVIRONMENT, Shell, replaced, says_something
from tests.support.process import SECRET_KEY
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.transfer.formats.test_chatgpt import BRANCHED

DOCUMENT = "docs/operating.md"
RETENTION = {"CHATKEEP_RETENTION_DAYS": '{"user": 365, "admin": 3650, "guest": 7}'}


@pytest.fixture(scope="module")
async def alice(service: RunningService) -> Person:
    """The user whom the document calls alice, with a history."""
    person = await service.person("alice")
    await person.say(await person.conversation(), "Hello")
    return person


@pytest.fixture
def shell(alice: Person, shared_database_url: str, tmp_path: Path) -> Shell:
    """A shell with the settings of the service where alice is."""
    return Shell(tmp_path / "shell", ENVIRONMENT | {"CHATKEEP_DATABASE_URL": shared_database_url})


@runs(DOCUMENT, "chatkeep db upgrade && chatkeep doctor && chatkeep serve")
async def test_to_begin_with(block: Block, empty_database_url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "shell", {"CHATKEEP_COOKIE_SECURE": "false"})
    replacements = {
        DATABASE_URL: shlex.quote(empty_database_url),
        "CHATKEEP_SECRET_KEY=…": f"CHATKEEP_SECRET_KEY='{SECRET_KEY}'",
        "CHATKEEP_ADMIN_PASSWORD=…": f"CHATKEEP_ADMIN_PASSWORD='{ADMIN_PASSWORD}'",
        "--host 0.0.0.0": "--host 127.0.0.1",
    }
    try:
        await shell.run(replaced(block.text, replacements))
        await says_something(shell.served_at, "admin", ADMIN_PASSWORD)
        async with httpx2.AsyncClient(base_url=shell.served_at, headers={"Host": "chat.example.org"}) as client:
            assert (await client.get("/")).status_code == 200
    finally:
        shell.stop_serving()


@runs(DOCUMENT, "chatkeep serve --local --migrate --host 0.0.0.0")
async def test_on_a_local_network(block: Block, empty_database_url: str, tmp_path: Path) -> None:
    settings = {"CHATKEEP_DATABASE_URL": empty_database_url, "CHATKEEP_DATA_DIR": str(tmp_path / "data")}
    shell = Shell(tmp_path / "shell", settings)
    try:
        await shell.run(block.text)
        own_address = shell.served_at.replace("127.0.0.1", "127.0.0.2")
        for url, name in ((shell.served_at, "box:8000"), (shell.served_at, "box.local:8000"), (own_address, None)):
            headers = {"Accept": "text/html"} | ({"Host": name} if name else {})
            async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
                assert (await client.get("/")).status_code == 200, (url, name)
        async with httpx2.AsyncClient(base_url=shell.served_at, headers={"Accept": "text/html"}) as client:
            refused = await client.get("/", headers={"Host": "192.168.1.20:8000"})
            assert (refused.status_code, "CHATKEEP_ALLOWED_HOSTS=192.168.1.20<" in refused.text) == (400, True)
    finally:
        shell.stop_serving()


@runs(DOCUMENT, "traefik.http.routers", weaker="Debian has no Traefik: only the header it sends is tried")
async def test_traefiks_labels(block: Block, database_url: str) -> None:
    (prefix,) = re.findall(r"stripprefix\.prefixes=(\S+)", block.text)
    assert f"PathPrefix(`{prefix}`)" in block.text
    async with running(database_url, trusted_proxies="127.0.0.1") as service:
        page = await service.client().get("/", headers={"X-Forwarded-Prefix": prefix})
    assert f'href="{prefix}/account"' in page.text


@runs(DOCUMENT, "chatkeep backup chatkeep-")
async def test_backup_and_restore(block: Block, shell: Shell, service: RunningService, database_url: str) -> None:
    """Made while the service runs; restored into another database, that of a service that does not."""
    backup, restore = block.text.splitlines()
    await shell.run(backup)
    elsewhere = Shell(shell.folder / "elsewhere", shell.settings | {"CHATKEEP_DATABASE_URL": database_url})
    (made,) = shell.folder.glob("chatkeep-*.backup")  # of the day that it was then, where the shell is
    await elsewhere.run(replaced(restore, {"chatkeep-2026-01-31.backup": f"../{made.name}"}))
    assert "Hello" in await elsewhere.run("chatkeep history --format jsonl")


@runs(DOCUMENT, "chatkeep retention --dry-run")
async def test_retention_and_holds(block: Block, shell: Shell, alice: Person) -> None:
    shell.settings |= RETENTION
    await shell.run(block.text)
    refused = await alice.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
    await shell.run("chatkeep user release alice")


@runs(DOCUMENT, "chatkeep audit list --row NUMBER")
async def test_an_erasure_is_found_later(block: Block, shell: Shell) -> None:
    await shell.run("chatkeep user create bob --random-password")
    number = (await shell.run("chatkeep user delete bob --yes")).strip()
    shown = await shell.run(replaced(block.text, {"NUMBER": number}))
    assert shown.count("user_deleted") == 2


@runs(DOCUMENT, "chatkeep audit list --subject-id ID")
async def test_the_audit_trail(block: Block, shell: Shell, alice: Person) -> None:
    (shell.folder / "elsewhere").mkdir()
    await shell.run(replaced(block.text, {"ID": alice.id, "/elsewhere/": "elsewhere/"}))
    (exported,) = shell.folder.glob("audit-*.jsonl")
    assert alice.id in exported.read_text()
    assert json.loads((shell.folder / "elsewhere" / "ends.json").read_text())


@runs(DOCUMENT, "chatkeep import chatgpt-export.zip")
async def test_histories_in_and_out(block: Block, shell: Shell, alice: Person) -> None:
    with zipfile.ZipFile(shell.folder / "chatgpt-export.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps([BRANCHED]))
    await shell.run(block.text)
    exported = (shell.folder / "alice.jsonl").read_text()
    assert "second question" in exported
    assert "Hello" in exported
    with zipfile.ZipFile(shell.folder / "alice.zip") as archive:
        assert archive.read("history.jsonl").decode() == exported
