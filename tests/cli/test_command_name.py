"""Commands are shown as they work where the person is."""

import sys
from pathlib import Path

import pytest

from chatkeep.cli.command_name import as_typed


def test_a_command_off_the_path_is_shown_with_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ".venv/bin/chatkeep"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/chatkeep", "serve"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert as_typed("chatkeep user password admin") == ".venv/bin/chatkeep user password admin"
    assert as_typed("Set it to that name.") == "Set it to that name."
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin")
    assert as_typed("chatkeep user password admin") == "chatkeep user password admin"
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python3/service/cli/__main__.py", "serve"])
    assert as_typed("chatkeep doctor") == "chatkeep doctor"
