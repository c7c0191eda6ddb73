"""Settings in files of their own, by the name that systemd gives their folder."""

from pathlib import Path

import pytest

from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from tests.cli.command_runner import Command
from tests.support.process import SECRET_KEY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of secrets that this process reads, in a working directory without a `.env`."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHATKEEP_MODEL", raising=False)
    return folder


def test_every_setting_can_be_a_file(folder: Path) -> None:
    (folder / "chatkeep_secret_key").write_text(f"{SECRET_KEY}\n")
    (folder / "chatkeep_trusted_proxies").write_text("10.0.0.0/8, 127.0.0.1\n")
    (folder / "CHATKEEP_PORT").write_text("8123")
    (folder / "chatkeep_retention_days").write_text('{"guest": 7}\n')
    found = Settings.read()
    assert found.signing_keys() == (SECRET_KEY,)
    assert [str(each) for each in found.trusted_proxies] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert (found.port, found.retention_days) == (8123, {"guest": 7})


def test_options_the_environment_and_the_file_env_come_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("model", "admin_username", "cookie_name", "host"):
        (folder / f"chatkeep_{name}").write_text("from-a-file")
    monkeypatch.setenv("CHATKEEP_ADMIN_USERNAME", "from-the-environment")
    Path(".env").write_text("CHATKEEP_COOKIE_NAME=from-env\n")
    found = Settings.read(host="from-an-option")
    assert (found.model, found.admin_username) == ("from-a-file", "from-the-environment")
    assert (found.cookie_name, found.host) == ("from-env", "from-an-option")


def test_a_kubernetes_volume_of_links_is_read(folder: Path) -> None:
    version = folder / "..2026_01_31"
    version.mkdir()
    (version / "chatkeep_model").write_text("linked")
    (folder / "..data").symlink_to(version.name)
    (folder / "chatkeep_model").symlink_to("..data/chatkeep_model")
    assert Settings.read().model == "linked"


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named_and_not_quoted(folder: Path, content: bytes | None) -> None:
    file = folder / "chatkeep_secret_key"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"The secret {file} cannot be read: ") as refused:
        Settings.read()
    assert "xff" not in str(refused.value)


def test_a_wrong_value_names_its_setting_and_not_itself(folder: Path) -> None:
    (folder / "chatkeep_port").write_text("hunter2")
    with pytest.raises(ConfigurationError, match="CHATKEEP_PORT") as refused:
        Settings.read()
    assert "hunter2" not in str(refused.value)


async def test_doctor_tells_files_from_the_rest_and_finds_misspelt_ones(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "chatkeep_secret_key").write_text(SECRET_KEY)
    (folder / "chatkeep_database_url").write_text(database_url)
    (folder / "chatkeep_admin_pasword").write_text("hunter2")
    ran = await Command(tmp_path)("doctor", CREDENTIALS_DIRECTORY=str(folder))
    rows = [line.split() for line in ran.lines]
    assert ["CHATKEEP_SECRET_KEY", "1", "set,", str(len(SECRET_KEY)), "characters", "secret", "file"] in rows
    assert "CHATKEEP_ADMIN_PASWORD in the folder of secrets is not a setting, and does nothing." in ran.out
    assert "Did you mean CHATKEEP_ADMIN_PASSWORD?" in ran.out
    assert "hunter2" not in ran.out + ran.err
    assert SECRET_KEY not in ran.out + ran.err
