"""Names that look like settings and are none."""

from pathlib import Path

import pytest

from chatkeep.cli.setting_names import unknown_names
from tests.cli.command_runner import Command
from tests.cli.test_doctor import level_of


async def test_a_misspelt_name_is_said_at_the_start_and_by_the_doctor(chatkeep: Command) -> None:
    (chatkeep.folder / ".env").write_text("CHATKEEP_ALOWED_HOSTS=x\n")
    ran = await chatkeep("serve", "--host", "198.51.100.7", CHATKEEP_RETENTION_DAY='{"user": 1}')
    in_order = "CHATKEEP_RETENTION_DAY in the environment is not a setting, and does nothing. Did you mean"
    assert f"{in_order} CHATKEEP_RETENTION_DAYS?" in ran.err
    assert "CHATKEEP_ALOWED_HOSTS in the file .env" in ran.err
    assert "Did you mean CHATKEEP_ALLOWED_HOSTS?" in ran.err
    ran = await chatkeep("doctor", "--json", CHATKEEP_RETENTION_DAY='{"user": 1}')
    assert level_of(ran, "CHATKEEP_RETENTION_DAY in the environment") == "warning"
    assert level_of(ran, "CHATKEEP_ALOWED_HOSTS in the file .env") == "warning"


def test_what_others_set_is_not_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(unknown_names())
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"):
        monkeypatch.setenv(f"CHATKEEP_{name}", "10.0.0.1")
    monkeypatch.setenv("CHATKEEP_TEST_SERVER_URL", "postgresql://h/d")
    monkeypatch.setenv("chatkeep_model", "lower case is the same name")
    assert list(unknown_names()) == before
